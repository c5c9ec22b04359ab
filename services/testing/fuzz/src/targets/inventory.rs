//! A file of `loki import`.

use loki_cli::import::{Format, Options, limits, plan, read};

/// What reads without a problem can be planned, and is no more than the limits say.
pub(crate) fn inventory(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let format = [Format::AnsibleIni, Format::AnsibleYaml, Format::Csv][usize::from(first % 3)];
    for lenient in [false, true] {
        let Ok((inventory, _)) = read(rest, format, Options { lenient }) else { continue };
        assert!(inventory.servers.len() <= limits::SERVERS && inventory.nodes.len() <= limits::NODES);
        plan(&inventory, &Default::default(), "/root", "").expect("what can be read can be planned");
    }
}
