//! What is to be asked for, given what the API knows and what this machine says: a function of values.
//!
//! What operators set is theirs. The agent's are its four labels; the addresses as long as they are those that it said last; a serial number
//! where there is none. A server that is mounted nowhere is mounted once; one that was taken elsewhere stays there.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::commands::Registered;
use crate::identity::Identity;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Why what the API knows is not taken for this machine, which leaves it as it is.
    pub(super) doubt: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Register,
    Update(Changes),
    Mount,
}

/// The data of `server.update`, without the server.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Changes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) addresses: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
}

/// `said`: the addresses that the agent said last, if it knows. `placed`: there is a node to mount on.
pub(super) fn plan(known: Option<&Registered>, identity: &Identity, said: Option<&[String]>, placed: bool) -> Plan {
    let mut steps = Vec::new();
    let is_mounted = match known {
        None => {
            steps.push(Step::Register);
            false
        }
        Some(known) if known.state == "retired" => {
            if known.serial == identity.serial {
                let why = "it was retired: register a server of this name to take the machine back, or stop the agent";
                return Plan { steps: Vec::new(), doubt: Some(why.to_owned()) };
            }
            // another machine has got the name
            steps.push(Step::Register);
            false
        }
        Some(known) => {
            if let (Some(theirs), Some(ours)) = (&known.serial, &identity.serial)
                && theirs != ours
            {
                let why = format!(
                    "it has the serial number `{theirs}`, this machine has `{ours}`: retire the old server, or correct its serial number, or give this machine another name"
                );
                return Plan { steps: Vec::new(), doubt: Some(why) };
            }
            let changes = changes(known, identity, said);
            if changes != Changes::default() {
                steps.push(Step::Update(changes));
            }
            known.mounts > 0
        }
    };
    if placed && !is_mounted {
        steps.push(Step::Mount);
    }
    Plan { steps, doubt: None }
}

fn changes(known: &Registered, identity: &Identity, said: Option<&[String]>) -> Changes {
    let are_ours = known.addresses.is_empty() || said == Some(known.addresses.as_slice());
    let addresses =
        (are_ours && known.addresses != identity.addresses && !identity.addresses.is_empty()).then(|| identity.addresses.clone());
    let differs = |(label, value): &(&String, &String)| known.labels.get(*label) != Some(value);
    Changes {
        serial: identity.serial.clone().filter(|_| known.serial.is_none()),
        addresses,
        labels: identity.labels.iter().filter(differs).map(|(label, value)| (label.clone(), value.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn machine() -> Identity {
        Identity { serial: Some("S1".to_owned()), addresses: texts(&["10.0.0.1"]), labels: labels(&[("os", "linux"), ("cores", "8")]) }
    }

    /// As this machine would be known after it has registered, mounted on one node.
    fn known() -> Registered {
        let Identity { serial, addresses, labels } = machine();
        Registered { serial, addresses, labels, state: "online".to_owned(), mounts: 1 }
    }

    fn steps(known: Option<&Registered>, said: &[&str]) -> Vec<Step> {
        plan(known, &machine(), Some(&texts(said)), true).steps
    }

    fn update(changes: Changes) -> Vec<Step> {
        vec![Step::Update(changes)]
    }

    #[test]
    fn a_new_machine_is_registered_and_mounted() {
        assert_eq!(steps(None, &[]), [Step::Register, Step::Mount]);
        assert_eq!(plan(None, &machine(), None, false).steps, [Step::Register]);
        // broken off between the two
        assert_eq!(steps(Some(&Registered { mounts: 0, ..known() }), &["10.0.0.1"]), [Step::Mount]);
    }

    #[test]
    fn what_is_known_already_is_not_said_again() {
        assert_eq!(plan(Some(&known()), &machine(), None, true), Plan::default());
        assert_eq!(plan(Some(&known()), &machine(), Some(&[]), true), Plan::default());
    }

    #[test]
    fn only_what_is_the_agent_s_is_changed() {
        let theirs = labels(&[("os", "linux"), ("cores", "4"), ("rack", "r7"), ("owner", "ada")]);
        let changes = Changes { labels: labels(&[("cores", "8")]), ..Changes::default() };
        assert_eq!(steps(Some(&Registered { labels: theirs, ..known() }), &[]), update(changes));
        // filled in where there is none
        let bare = Registered { serial: None, addresses: Vec::new(), ..known() };
        let changes = Changes { serial: Some("S1".to_owned()), addresses: Some(texts(&["10.0.0.1"])), ..Changes::default() };
        assert_eq!(steps(Some(&bare), &[]), update(changes));
        // a label that the machine does not tell stays
        let fewer = Identity { labels: labels(&[("os", "linux")]), ..machine() };
        assert_eq!(plan(Some(&known()), &fewer, None, true), Plan::default());
    }

    #[test]
    fn addresses_are_the_agent_s_until_somebody_sets_others() {
        let moved = Registered { addresses: texts(&["10.0.0.9"]), ..known() };
        let changes = Changes { addresses: Some(texts(&["10.0.0.1"])), ..Changes::default() };
        assert_eq!(steps(Some(&moved), &["10.0.0.9"]), update(changes));
        let set = Registered { addresses: texts(&["web01.acme.example", "10.0.0.9"]), ..known() };
        assert!(steps(Some(&set), &["10.0.0.9"]).is_empty());
        assert_eq!(plan(Some(&set), &machine(), None, true), Plan::default());
        // a network that is down for a moment clears nothing
        let none = Identity { addresses: Vec::new(), ..machine() };
        assert_eq!(plan(Some(&known()), &none, Some(&texts(&["10.0.0.1"])), true), Plan::default());
    }

    #[test]
    fn another_machine_of_this_name_is_left_alone() {
        let other = Registered { serial: Some("S2".to_owned()), labels: BTreeMap::new(), mounts: 0, ..known() };
        let Plan { steps, doubt } = plan(Some(&other), &machine(), None, true);
        assert!(steps.is_empty() && doubt.unwrap().contains("`S2`"));
    }

    #[test]
    fn a_retired_server_stays_retired_unless_the_machine_is_another() {
        let retired = Registered { state: "retired".to_owned(), mounts: 0, ..known() };
        let Plan { steps, doubt } = plan(Some(&retired), &machine(), None, true);
        assert!(steps.is_empty() && doubt.unwrap().contains("retired"));
        let other = Registered { serial: Some("S2".to_owned()), ..retired };
        assert_eq!(plan(Some(&other), &machine(), None, true).steps, [Step::Register, Step::Mount]);
    }
}
