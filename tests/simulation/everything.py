"""Has every module that the table of docs/simulation.md names; `test_library` patches it."""

# ruff: noqa: F401, ICN001  # it is read by name

import datetime
import os
import queue
import random
import secrets
import select
import selectors
import signal
import socket
import tempfile
import threading
import time
import uuid
from concurrent import futures
