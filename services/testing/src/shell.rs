//! Parts of shell scripts.

use std::path::Path;

/// A command that waits until this file is there, or its folder gone: what waits for a test does not outlast it, however the test ends.
pub fn wait_for(file: &Path) -> String {
    let folder = file.parent().unwrap_or(Path::new("."));
    format!("until [ -e {} ] || [ ! -d {} ]; do sleep 0.02; done", file.display(), folder.display())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn it_waits_no_longer_than_there_is_something_to_wait_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("go");
        let start = || Command::new("sh").args(["-c", &wait_for(&file)]).spawn().unwrap();
        let mut waits = start();
        assert!(waits.try_wait().unwrap().is_none());
        std::fs::write(&file, "").unwrap();
        assert!(waits.wait().unwrap().success());
        std::fs::remove_file(&file).unwrap();
        let mut waits = start();
        drop(folder);
        assert!(waits.wait().unwrap().success());
    }
}
