from .ids import new_run_id as new_run_id
from .run import Run as Run
from .run import list_runs as list_runs
from .run import load_run as load_run
from .writer import RunWriter as RunWriter
