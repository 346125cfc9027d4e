"""The parent: plan, prepare, spawn one worker per trial, watch, journal, resume."""
