"""Who sends which chunk to whom, and when: schedules are data, nothing here moves a byte."""
