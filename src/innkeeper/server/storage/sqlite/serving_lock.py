"""One serving process per file, and no network file system under it."""

import os
import sys
from pathlib import Path
from typing import Final

from innkeeper.server.storage.outcomes import StoreUnavailable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# fmt: off
_NETWORK_FILE_SYSTEMS: Final = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "fuse.ceph", "lustre", "beegfs",
    "gpfs", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse",
    "davfs", "fuse.davfs2", "ocfs2", "gfs2",
})
# fmt: on
_MOUNTS: Final = Path("/proc/mounts")


class ServingLock:
    """Held while a process serves. The operating system lets it go when the process ends, however it ends."""

    def __init__(self, database: Path) -> None:
        self._path = Path(f"{database}.lock")
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            self._lock()
        except OSError as error:
            holder = self._path.read_text("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreUnavailable(
                f"another process (pid {holder}) already serves {database}: an SQLite file has one server; "
                "stop that one first, or give this one its own folder"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, b"%d\n" % os.getpid())

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    if sys.platform == "win32":

        def _lock(self) -> None:
            # Far behind the text, so that the holder's number stays readable.
            os.lseek(self._descriptor, 1024, os.SEEK_SET)
            msvcrt.locking(self._descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(self._descriptor, 0, os.SEEK_SET)

    else:

        def _lock(self) -> None:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def refuse_network_file_system(database: Path, mounts: Path = _MOUNTS) -> None:
    """SQLite's locks do not hold across machines, and some of these lose acknowledged writes."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    kind = _file_system_of(database.absolute().parent, lines)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise StoreUnavailable(
            f"{database} is on a network file system ({kind}), where SQLite's locks cannot be relied on: "
            "put the data folder on a local disk"
        )


def _file_system_of(folder: Path, mount_lines: list[str]) -> str:
    resolved = folder.resolve()
    best, kind = -1, ""
    for line in mount_lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount_point = Path(fields[1].replace("\\040", " ").replace("\\011", "\t"))
        # The last of equally long mount points is the one on top.
        if resolved.is_relative_to(mount_point) and len(mount_point.parts) >= best:
            best, kind = len(mount_point.parts), fields[2]
    return kind
