"""The facts of users, which upbot_checks stores and checks: lit stars and game facts."""
