"""Whether a folder is one that several machines share, by a network or a cloud service: no place for SQLite's ways.

WAL needs memory that all users share, so that on a network there is none. What a service copies while it is written
arrives in pieces, so that there is no database at all.
"""

import os
import re
import struct
import sys
from pathlib import Path

# statfs(2) of Linux and the kernel's magic.h; FUSE may be anything, sshfs for one
NETWORK = {
    0x6969: "nfs",
    0x517B: "smb",
    0xFF534D42: "cifs",
    0xFE534D42: "smb2",
    0x01021997: "9p",
    0x65735546: "fuse",
    0x5346414F: "afs",
    0x6B414653: "kafs",
    0x73757245: "coda",
    0x00C36400: "ceph",
    0x0BD00BD0: "lustre",
    0x47504653: "gpfs",
    0x564C: "ncp",
    0x786F4256: "vboxsf",
    0x19830326: "beegfs",
    0x7461636F: "ocfs2",
    0x01161970: "gfs2",
}
MNT_LOCAL = 0x1000  # of macOS
# what the services leave at the top of a folder that they copy, and how such folders are called
MARKS = {
    ".dropbox.cache": "Dropbox",
    ".tmp.drivedownload": "Google Drive",
    ".tmp.driveupload": "Google Drive",
    ".849C9593-D756-4E56-8D6E-42412F2A707B": "OneDrive",
    ".stfolder": "Syncthing",
    ".nextcloudsync.log": "Nextcloud",
    ".owncloudsync.log": "ownCloud",
}
NAMES = {
    r"dropbox( \(.+\)|-.+)?": "Dropbox",
    r"google ?drive(-.+)?|my drive": "Google Drive",
    r"onedrive( ?- ?.+)?": "OneDrive",
    r"mobile documents|icloud ?drive": "iCloud",
    r"cloudstorage": "a cloud service",
    r"nextcloud": "Nextcloud",
    r"owncloud": "ownCloud",
}


def is_network(folder: Path) -> bool:
    """False also where the system does not tell."""
    if sys.platform == "linux":
        # a block device of this machine has a major number; only others are worth the load of ctypes
        return not os.major(os.stat(folder).st_dev) and _magic(_statfs(folder)) in NETWORK
    if sys.platform == "darwin":
        flags = struct.unpack_from("=I", _statfs(folder), 64)[0]  # f_flags of the 64-bit struct
        return not flags & MNT_LOCAL
    return False


def synced_by(folder: Path) -> str:
    """The cloud service that copies what is in `folder`, "" where none is known to."""
    tops = {top: None for path in (folder.absolute(), Path(os.path.realpath(folder))) for top in (path, *path.parents)}
    for top in tops:
        named = next((service for name, service in NAMES.items() if re.fullmatch(name, top.name, re.IGNORECASE)), "")
        marked = named or next((service for mark, service in MARKS.items() if os.path.lexists(top / mark)), "")
        if marked:
            return marked
    return ""


def _magic(answer: bytes) -> int:
    return struct.unpack_from("@l", answer)[0] & 0xFFFFFFFF


def _statfs(folder: Path) -> bytes:
    """What the call fills in; of an ordinary local disk when it fails."""
    import ctypes

    answer = ctypes.create_string_buffer(4096)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(folder), answer):
        return struct.pack("@l", 0xEF53).ljust(64, b"\0") + struct.pack("=I", MNT_LOCAL)
    return answer.raw
