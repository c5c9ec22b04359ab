//! A release belongs to who runs its hooks, as if that user had unpacked it.

use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use crate::user::Id;

/// What is in a folder first, and the folder itself last: until then nobody else can put anything there, and what is given is what was unpacked.
pub(super) fn give(folder: &Path, owner: Id) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give(&entry.path(), owner)?;
        } else {
            lchown(entry.path(), Some(owner.uid), Some(owner.gid))?;
        }
    }
    lchown(folder, Some(owner.uid), Some(owner.gid))
}
