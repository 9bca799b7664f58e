"""The parent that programs of tests are forked from: it has imported everything, see `forked.py`."""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from typing import Any

import torch

import monitor.adapters.engines.torchscript
import monitor.cli
import monitor.commands.check
import monitor.commands.replay
import monitor.commands.simulate
import monitor.daemon.app
import monitor.setup.build
import trainer.cli
import trainer.commands.evaluate
import trainer.commands.fit

_PROGRAMS = {"residuald": monitor.cli.main, "residuald-trainer": trainer.cli.main}
_MAX_REQUEST = 1 << 20


def serve(name: str) -> None:
    """Fork on request, until the process that started us ends."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"\0{name}")
    listener.listen()
    ended, notice = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(notice)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clients: dict[int, socket.socket] = {}
    print("ready", flush=True)
    with selectors.DefaultSelector() as selector:
        for each in (0, ended, listener):
            selector.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == 0:
                    return
                if key.fd == ended:
                    os.read(ended, 4096)
                    _report_ends(clients)
                else:
                    client, _ = listener.accept()
                    request, fds, _, _ = socket.recv_fds(client, _MAX_REQUEST, 2)
                    pid = os.fork()
                    if pid == 0:
                        _become(json.loads(request), *fds)
                    for fd in fds:
                        os.close(fd)
                    clients[pid] = client
                    client.send(str(pid).encode())


def _report_ends(clients: dict[int, socket.socket]) -> None:
    while clients:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with contextlib.suppress(OSError), clients.pop(pid) as client:
            client.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: dict[str, Any], stdout: int, stderr: int) -> None:
    """Be the program that was asked for; does not return."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.closerange(3, 1024)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        if threads := os.environ.get("OMP_NUM_THREADS"):  # torch reads it when it is imported
            torch.set_num_threads(int(threads))
        sys.argv = request["command"]
        program, *arguments = sys.argv
        code = _PROGRAMS[program](arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, it ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
