//! Links of a release stay in it, whatever other links are on their way.
//!
//! They are looked at when all of them are there: on its own `a/../..` is judged by its letters, but where `a` is a link itself it leads elsewhere.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many as the system follows.
const HOPS_MAX: usize = 40;

pub(super) fn check(root: &Path) -> Result<(), String> {
    let mut folders = vec![PathBuf::new()];
    let failed = |error: io::Error| format!("the release cannot be read: {error}");
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (folder.join(entry.file_name()), entry.file_type().map_err(failed)?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() && !stays_inside(root, &path).map_err(failed)? {
                return Err(format!("the link `{}` leads out of the release", path.display().to_string().escape_default()));
            }
        }
    }
    Ok(())
}

fn stays_inside(root: &Path, link: &Path) -> io::Result<bool> {
    let mut at: Vec<OsString> = Vec::new();
    let mut ahead: VecDeque<OsString> = link.iter().map(ToOwned::to_owned).collect();
    let mut hops = 0;
    while let Some(part) = ahead.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::Normal(_)) => {}
            Some(Component::ParentDir) => {
                if at.pop().is_none() {
                    return Ok(false);
                }
                continue;
            }
            Some(Component::RootDir | Component::Prefix(_)) => return Ok(false),
            Some(Component::CurDir) | None => continue,
        }
        let path = root.join(at.iter().collect::<PathBuf>()).join(&part);
        if !path.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
            at.push(part);
            continue;
        }
        hops += 1;
        if hops > HOPS_MAX {
            // nobody can follow it
            return Ok(true);
        }
        for part in std::fs::read_link(&path)?.iter().rev() {
            ahead.push_front(part.to_owned());
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn is_refused(links: &[(&str, &str)]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        for (link, target) in links {
            symlink(target, folder.path().join(link)).unwrap();
        }
        check(folder.path()).is_err()
    }

    #[test]
    fn links_are_followed_as_the_system_does() {
        assert!(!is_refused(&[("l", "a/b"), ("a/up", "../l"), ("dangling", "nothing/here"), ("loop", "loop")]));
        assert!(!is_refused(&[("a/b/top", "../..")]));
        for bad in [
            &[("l", "..")][..],
            &[("l", "/etc")],
            &[("a/l", "../../x")],
            // by its letters this is `a`
            &[("a/b/top", "../.."), ("l", "a/b/top/..")],
            &[("a/one", ".."), ("two", "a/one/../x")],
        ] {
            assert!(is_refused(bad), "{bad:?}");
        }
    }
}
