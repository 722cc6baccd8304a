"""Fault-injection tests (`make drill`): they break a running stack and check what callers see."""
