"""LocalStack's side of the harness: functions as processes, Kafka as an event source, custom resources, loopback only.

LocalStack finds it by its entry points; `plugins.py` names them all.
"""
