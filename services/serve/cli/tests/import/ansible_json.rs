//! Ansible's JSON: what `ansible-inventory --list` and inventory scripts print.

use loki_cli::import::{Format, Options, read};

use crate::show;

fn refused(text: &str, expected: &[&str]) {
    show::check_refused(Format::AnsibleYaml, text, expected);
}

const PRINTED: &str = r#"{
    "_meta": {
        "hostvars": {
            "web1": {"ansible_host": "10.0.0.1", "rack": "r1", "motd": {"__ansible_unsafe": "hi"}},
            "gone": {"rack": "r9"}
        }
    },
    "all": {"children": ["ungrouped", "shop"]},
    "shop": {"children": ["web"], "vars": {"owner": "ann"}},
    "ungrouped": {"hosts": ["bastion"]},
    "web": {
        "hosts": ["web1", "web2"],
        "vars": {"tier": "front", "blob": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6162"}}
    }
}
"#;

#[test]
fn groups_hosts_and_variables() {
    show::check_warned(
        Format::AnsibleYaml,
        PRINTED,
        "
        9 node /shop owner=ann
        11 node /shop/web tier=front
        10 node /ungrouped
        10 server bastion @/ungrouped:10
        12 server web1 10.0.0.1 motd=hi rack=r1 @/shop/web:12
        12 server web2 @/shop/web:12
        ",
        &[
            "line 5: host `gone` of `_meta` is in no group and is not imported",
            "line 13: variable `blob` is encrypted by ansible-vault and is not imported",
        ],
    );
}

#[test]
fn the_short_form_of_scripts() {
    let text = r#"{"web": ["web1", "web2"], "all": {"vars": {"owner": "ann"}}}"#;
    show::check(Format::AnsibleYaml, text, "1 node / owner=ann\n1 node /web\n1 server web1 @/web:1\n1 server web2 @/web:1");
}

/// Without `--export` Ansible has moved the groups' variables onto their hosts.
#[test]
fn variables_that_were_moved_are_told() {
    let text = r#"{"_meta": {"hostvars": {"web1": {"tier": "front"}}}, "web": {"hosts": ["web1"]}}"#;
    let warning = "no group has variables: `ansible-inventory --list` moves them onto the hosts unless it is run with `--export`";
    show::check_warned(Format::AnsibleYaml, text, "1 node /web\n1 server web1 tier=front @/web:1", &[warning]);
}

#[test]
fn mistakes_are_told() {
    refused(r#"{"_meta": {"hostvars": []}, "a": {"hosts": ["h1"]}}"#, &["line 1: `hostvars` must be a mapping of hosts"]);
    refused(r#"{"_meta": {"hostvars": {"h1": "x"}}, "a": {"hosts": ["h1"]}}"#, &["line 1: host `h1` must have a mapping of variables"]);
    refused(r#"{"_meta": {}, "a": "b"}"#, &["line 1: group `a` must be a mapping, or a list of hosts"]);
    refused(r#"{"a": {"hosts": ["h1", 2]}}"#, &["line 1: `hosts` must be a list of names"]);
    refused(r#"{"a": {"hosts": ["h1"], "children": {"b": {}}}}"#, &["line 1: `children` must be a list of names"]);
    refused(r#"{"a": {"hosts": ["h1"], "vars": []}}"#, &["line 1: `vars` must be a mapping"]);
    refused("{\"a\": {\"children\": [\"b\"]},\n\"b\": {\"children\": [\"a\"]}}", &["line 2: groups contain each other: `a` → `b` → `a`"]);
}

/// The YAML of the same inventory, as `ansible-inventory --list --yaml --export` prints it, reads as the same.
#[test]
fn the_same_as_in_yaml() {
    let yaml = "\
all:
  children:
    shop:
      vars: {owner: ann}
      children:
        web:
          hosts:
            web1: {ansible_host: 10.0.0.1, rack: r1, motd: hi}
            web2: {}
          vars: {tier: front}
    ungrouped:
      hosts:
        bastion: {}
";
    let model = |text: &str| read(text.as_bytes(), Format::AnsibleYaml, Options::default()).unwrap().0.without_lines();
    assert_eq!(model(PRINTED), model(yaml));
}
