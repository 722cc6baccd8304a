"""Demotion: lowering members whose points no longer reach their level, and ending protection."""
