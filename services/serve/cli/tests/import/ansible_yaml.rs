//! Ansible inventories in YAML: what is read, and what is refused with its line.

use loki_cli::import::{Format, Options, read};

use crate::show;

fn check(text: &str, expected: &str) {
    show::check(Format::AnsibleYaml, text, expected);
}

fn refused(text: &str, expected: &[&str]) {
    show::check_refused(Format::AnsibleYaml, text, expected);
}

#[test]
fn groups_hosts_and_variables() {
    check(
        "\
all:
  hosts:
    bastion: {ansible_host: 10.0.0.9}
    web1:
      rack: r1
  vars:
    owner: ann
  children:
    shop:
      children:
        web:
          hosts:
            web[1:2]:
              note: two words
          vars:
            tier: front
",
        "
        1 node / owner=ann
        9 node /shop
        11 node /shop/web tier=front
        3 node /ungrouped
        3 server bastion 10.0.0.9 @/ungrouped:3
        4 server web1 note=two words rack=r1 @/shop/web:13
        13 server web2 note=two words @/shop/web:13
        ",
    );
}

#[test]
fn groups_may_be_keys_of_the_file_and_told_in_pieces() {
    check(
        "web:\n  hosts: web1\ndb:\n  hosts:\n    db1:\nshop:\n  children:\n    web:\n    db:\nempty:\n",
        "
        10 node /empty
        6 node /shop
        3 node /shop/db
        1 node /shop/web
        5 server db1 @/shop/db:5
        2 server web1 @/shop/web:2
        ",
    );
    check("shop:\n  children: web\n", "1 node /shop\n2 node /shop/web");
}

#[test]
fn documents_are_read_one_after_the_other() {
    check("---\na:\n  hosts:\n    h1:\n---\n# nothing\n---\na:\n  vars: {k: v}\n...\n", "2 node /a k=v\n4 server h1 @/a:4");
    check("{\"all\": {\"children\": {\"a\": {\"hosts\": {\"h1\": {\"k\": 1}}}}}}", "1 node /a\n1 server h1 k=1 @/a:1");
}

#[test]
fn values_keep_their_spelling() {
    check(
        "\
a:
  hosts:
    h1:
      version: 1.10
      quoted: \"1.10\"
      hex: 0x1F
      padded: 007
      big: 123456789012345678901234567890
      yes: yes
      off: Off
      y: y
      'true': 'true'
      none: ~
      empty: ''
      date: 2024-01-01
      inf: .inf
      list: [1, two, 3.5, null, true]
      map: {b: 1, a: [x]}
      block: |-
        text
      1: one
",
        "
        1 node /a
        3 server h1 1=one big=123456789012345678901234567890 block=text date=2024-01-01 empty= hex=0x1F inf=.inf \
list=[1,\"two\",3.5,null,true] map={\"a\":[\"x\"],\"b\":1} none= off=false padded=007 quoted=1.10 true=true version=1.10 y=y \
yes=true @/a:3
        ",
    );
}

#[test]
fn anchors_and_merge_keys() {
    check(
        "\
a:
  hosts:
    h1: &small
      cpu: 2
      ram: 4
    h2: *small
    h3:
      <<: *small
      ram: 8
",
        "
        1 node /a
        3 server h1 cpu=2 ram=4 @/a:3
        6 server h2 cpu=2 ram=4 @/a:6
        7 server h3 cpu=2 ram=8 @/a:7
        ",
    );
}

/// Hundreds of hosts that share one anchor are an ordinary file.
#[test]
fn an_anchor_may_be_used_often() {
    let hosts: String = (1..2_000).map(|n| format!("    h{n}: {{<<: *common, n: {n}}}\n")).collect();
    let text = format!("a:\n  hosts:\n    h0: &common {{cpu: 2, ram: 4, disk: ssd}}\n{hosts}");
    let (inventory, _) = read(text.as_bytes(), Format::AnsibleYaml, Options::default()).unwrap();
    assert_eq!(inventory.servers.len(), 2_000);
    assert!(inventory.servers.iter().all(|server| server.labels["disk"] == "ssd"));
}

#[test]
fn what_is_left_out_is_told() {
    show::check_warned(
        Format::AnsibleYaml,
        "\
all:
  hosts:
    h1:
      ansible_port: 22
      db_password: hunter2
      blob: !vault |
        $ANSIBLE_VAULT;1.1;AES256
        6162
      old: !vault-encrypted abc
      deep: {a: [{secret_key: x}]}
      rack: r1
      rack: r2
      fqdn: '{{ inventory_hostname }}.acme.example'
  hostz: {}
text: just text
",
        "
        3 node /ungrouped
        3 server h1 rack=r2 @/ungrouped:3
        ",
        &[
            "line 4: variable `ansible_port` says how Ansible works on the host and is not imported",
            "line 5: variable `db_password` looks like a secret and is not imported",
            "line 6: variable `blob` is encrypted by ansible-vault and is not imported",
            "line 9: variable `old` is encrypted by ansible-vault and is not imported",
            "line 10: variable `deep` looks like a secret and is not imported",
            "line 12: key `rack` is written twice in one mapping: the last one is taken",
            "line 13: variable `fqdn` is a template, which only Ansible can evaluate, and is not imported",
            "line 14: key `hostz` of a group is not imported: only `hosts`, `children` and `vars` are known",
            "line 15: `text` is no group and is not imported: a group is a mapping",
        ],
    );
}

#[test]
fn mistakes_are_told_with_their_lines() {
    refused("", &["file has no groups"]);
    refused("# nothing\n", &["file has no groups"]);
    refused("- a\n", &["file must be a mapping of groups"]);
    refused("plugin: aws_ec2\n", &["line 1: file configures an inventory plugin"]);
    refused("a:\n  hosts:\n    - h1\n", &["line 2: `hosts` must be a mapping"]);
    refused("a:\n  vars: text\n", &["line 2: `vars` must be a mapping"]);
    refused("a:\n  hosts:\n    h1: text\n", &["line 3: host `h1` must have a mapping of variables"]);
    refused("a:\n  hosts:\n    h1:\n      läbel: 1\n    h[1:\n", &["line 4: label `läbel`", "line 5: host `h[1` has a `[`"]);
    refused("a.b:\n  hosts:\n    'h[1:5':\n", &["line 1: group becomes a node", "line 3: host `h[1:5` has a `[`"]);
    refused("a:\n  children:\n    b:\n      children:\n        a:\n", &["line 5: groups contain each other: `a` → `b` → `a`"]);
}

#[test]
fn broken_yaml_is_told_without_quoting_it() {
    let text = "a:\n  vars:\n    password: hunter2\n   x: [hunter2\n";
    let problems = read(text.as_bytes(), Format::AnsibleYaml, Options::default()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].line >= 3, "{problems:?}");
    assert!(problems[0].message.starts_with("file is not valid YAML: "), "{problems:?}");
    assert!(!problems[0].message.contains("hunter2"), "{problems:?}");
}

/// What `ansible-inventory --list --yaml --export` prints is a YAML inventory, and reads as the INI file that it was made of.
#[test]
fn the_same_in_both_syntaxes() {
    let ini = "b1 idc=bj1\n[web]\nw[1:3] rack=r1\nw2 n=1.10\n[web:vars]\nt=[1, 'x']\n[s:children]\nweb\n[r:children]\nweb\n";
    let yaml = "\
s:
  children:
    web:
      vars: {t: [1, x]}
      hosts:
        w[1:3]: {rack: r1}
r: {children: {web: {}}}
ungrouped: {hosts: {b1: {idc: bj1}}}
web: {hosts: {w2: {n: 1.10}}}
";
    let model = |text: &str, format| read(text.as_bytes(), format, Options::default()).unwrap().0.without_lines();
    assert_eq!(model(ini, Format::AnsibleIni), model(yaml, Format::AnsibleYaml));
}
