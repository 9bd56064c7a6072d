"""Does the log show a healthy training?"""
