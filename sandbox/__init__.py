"""A local stand-in for the IMS API: signed requests, realistic jobs, faults on demand.

The real SDK talks to it over HTTP on the loopback interface; nothing leaves the machine.
"""

from sandbox.faults import Fault, Faults
from sandbox.server import Sandbox

__all__ = ["Fault", "Faults", "Sandbox"]
