//! Who a hook runs as.

use std::path::PathBuf;

use loki_runtime::task;
use tokio::process::Command;

use crate::hook::PATH;

const PASSWD: &str = "/etc/passwd";
/// Of util-linux; the one of busybox cannot do that.
const SETPRIV: &str = "setpriv";
/// A directory of users that does not answer must not hold up a host.
const LOOK_UP: std::time::Duration = std::time::Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// `None`: who runs the agent.
    pub(crate) other: Option<Id>,
    pub(crate) home: PathBuf,
    /// What becomes another user with all of that user's groups; without it there is only the first of them.
    pub(crate) setpriv: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// # Errors
    /// There is no such user, or it is another than the agent's and that is not root.
    pub(crate) async fn named(name: Option<&str>) -> Result<Self, String> {
        let this = rustix::process::geteuid().as_raw();
        let users = std::fs::read_to_string(PASSWD).unwrap_or_default();
        let Some(name) = name else {
            let home = find(&users, |_, id| id.uid == this).map_or_else(|| PathBuf::from("/"), |(_, home)| home);
            return Ok(Self { other: None, home, setpriv: None });
        };
        let (id, home) = match find(&users, |found, _| found == name) {
            Some(found) => found,
            None => asked(name).await.ok_or_else(|| format!("there is no user `{name}` on this host: add it, or name another"))?,
        };
        match (id.uid == this, this) {
            (true, _) => Ok(Self { other: None, home, setpriv: None }),
            (false, 0) => Ok(Self { other: Some(id), home, setpriv: setpriv(id).await }),
            (false, _) => Err(format!("hooks are to run as `{name}`, which only an agent that runs as root can do")),
        }
    }
}

async fn setpriv(id: Id) -> Option<Vec<String>> {
    let mut command = Command::new(SETPRIV);
    command.arg("--version").env("PATH", PATH).kill_on_drop(true);
    let output = task::timeout(LOOK_UP, command.output()).await?.ok()?;
    let is_whole = String::from_utf8_lossy(&output.stdout).contains("util-linux");
    let words = [SETPRIV.to_owned(), format!("--reuid={}", id.uid), format!("--regid={}", id.gid), "--init-groups".to_owned()];
    is_whole.then(|| words.to_vec())
}

/// Users that are not in the file, but in a directory that the system asks.
async fn asked(name: &str) -> Option<(Id, PathBuf)> {
    let mut command = Command::new("getent");
    command.args(["passwd", name]).kill_on_drop(true);
    let output = task::timeout(LOOK_UP, command.output()).await?.ok()?;
    find(&String::from_utf8(output.stdout).ok()?, |found, _| found == name)
}

fn find(users: &str, is_it: impl Fn(&str, Id) -> bool) -> Option<(Id, PathBuf)> {
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let id = Id { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? };
        is_it(fields.first()?, id).then(|| (id, PathBuf::from(fields.get(5).unwrap_or(&"/"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbroken\nweb:x:33:34::/srv/web:/bin/false\n";
        assert_eq!(find(users, |name, _| name == "web"), Some((Id { uid: 33, gid: 34 }, PathBuf::from("/srv/web"))));
        assert_eq!(find(users, |_, id| id.uid == 1), None);
    }
}
