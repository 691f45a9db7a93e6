"""Real servers and catchers as child processes, for development and tests; production brings its
own.
"""
