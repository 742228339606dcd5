"""What tests share: made-up files and cohorts, a project in a folder of its own, components that
keep or break promises.
"""
