//! The settings file and Loki's variables hold only what `default.toml` knows, and nothing secret.

use toml::{Table, Value};

use crate::manifest::{Manifest, find, of, pods};
use crate::render::{render, text, variant, variants};

/// The settings in a ConfigMap.
pub(crate) fn file(config_map: &Manifest) -> Table {
    let text = config_map.at("/data/loki.toml").as_str().unwrap();
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn defaults() -> Table {
    text("services/app/default.toml").parse().unwrap()
}

/// What only secrets hold.
const SECRET: [&str; 10] = [
    "mysql.url",
    "mysql.reader_url",
    "mysql.migrate_url",
    "cdn_system.url",
    "cdn_system.reader_url",
    "cdn_system.migrate_url",
    "redis.url",
    "api.token",
    "zookeeper.auth",
    "decider.signing_key",
];

/// Checks that each key is known and has its default's type.
fn check(known: &Table, given: &Table, prefix: &str) {
    for (key, value) in given {
        let dotted = format!("{prefix}{key}");
        let default = known.get(key).unwrap_or_else(|| panic!("there is no setting `{dotted}`"));
        assert!(default.same_type(value), "`{dotted}` is {value}, its default {default}");
        assert!(!SECRET.contains(&dotted.as_str()), "`{dotted}` is a secret");
        match (default, value) {
            (_, _) if dotted == "kafka.options" => assert!(value.as_table().unwrap().values().all(Value::is_str)),
            (Value::Table(known), Value::Table(given)) => check(known, given, &format!("{dotted}.")),
            _ => {}
        }
    }
}

#[test]
fn every_setting_is_one_of_lokis() {
    let defaults = defaults();
    for secret in SECRET {
        let (section, key) = secret.split_once('.').unwrap();
        assert!(defaults[section].get(key).is_some(), "`{secret}` is no setting any more");
    }
    for (_, manifests) in variants() {
        // the dashboard is in one as well
        for config_map in of(manifests, "ConfigMap").filter(|config_map| !config_map.at("/data/loki.toml").is_null()) {
            check(&defaults, &file(config_map), "");
        }
    }
}

#[test]
fn every_variable_is_one_of_lokis() {
    let defaults = defaults();
    for (variant, manifests) in variants() {
        for pod in pods(manifests) {
            for name in pod.variables().into_keys().filter(|name| !["LOKI_CONFIG", "LOKI_API"].contains(name)) {
                let dotted = name.strip_prefix("LOKI__").unwrap().to_lowercase().replace("__", ".");
                let (section, key) = dotted.split_once('.').unwrap();
                assert!(defaults[section].get(key).is_some(), "{variant}: {}: {name}", pod.owner);
                let secret = SECRET.contains(&dotted.as_str()) || ["kafka.options", "artifacts.options"].contains(&dotted.as_str());
                assert_eq!(pod.variables()[name].is_err(), secret, "{variant}: {}: {name}", pod.owner);
            }
        }
    }
}

#[test]
fn every_setting_of_production_is_given() {
    for (variant, manifests) in variants() {
        let file = file(of(manifests, "ConfigMap").find(|manifest| manifest.hook().is_none()).unwrap());
        assert_eq!(file["backends"].as_str(), Some("real"), "{variant}: nothing embedded in pods that come and go");
        for (section, key) in [
            ("kafka", "brokers"),
            ("kafka", "replication"),
            ("zookeeper", "servers"),
            ("opentsdb", "addresses"),
            ("prober", "vantage"),
            ("logs", "format"),
        ] {
            assert!(file[section].get(key).is_some(), "{variant}: `{section}.{key}`");
        }
        // an address that is not loopback needs the token, which only the API has
        assert!(file.get("api").is_none_or(|api| api.get("listen").is_none()), "{variant}");
        // the prober and the agent find the API where its Service is
        let service = of(manifests, "Service").find(|service| *service.at("/spec/ports/0/targetPort") == "http").unwrap();
        let address = format!("http://{}:{}", service.name(), service.at("/spec/ports/0/port"));
        assert_eq!(file["agent"]["api"].as_str(), Some(address.as_str()), "{variant}");
    }
}

#[test]
fn values_arrive_as_they_were_written() {
    let cell = file(of(variant("cell"), "ConfigMap").find(|manifest| manifest.hook().is_none()).unwrap());
    assert_eq!(cell["topic_prefix"].as_str(), Some("east."));
    assert_eq!(cell["drain"].as_str(), Some("90s"));
    assert_eq!(cell["zookeeper"]["chroot"].as_str(), Some("/east"));
    assert_eq!(cell["decider"]["batch_commands"].as_integer(), Some(100));
    assert_eq!(cell["logs"]["filter"].as_str(), Some("info,loki_decider=debug"));
    assert_eq!(cell["logs"]["format"].as_str(), Some("json"));
    assert_eq!(cell["kafka"]["options"]["security.protocol"].as_str(), Some("SSL"));
    assert_eq!(cell["opentsdb"]["addresses"].as_str(), Some("http://tsd-0.acme.example:4242,http://tsd-1.acme.example:4242/east"));
    assert_eq!(cell["agent"]["node"].as_str(), Some("/machines"));
    assert_eq!(cell["prober"]["vantage"].as_str(), Some("beijing"));
    let controls = cell["prober"]["controls"].as_array().unwrap().iter().filter_map(Value::as_str);
    assert_eq!(controls.collect::<Vec<_>>(), ["https://www.example.com/", "https://www.example.org/"]);
    assert_eq!(cell["kafka"]["options"]["quoted"].as_str(), Some("a \"b\" \\c"));
}

/// The defaults are IPv4 only; where pods have IPv6 only nobody could ask them.
#[test]
fn processes_listen_where_they_are_told() {
    for (name, host) in [("defaults", "0.0.0.0"), ("cell", "[::]")] {
        let file = file(of(variant(name), "ConfigMap").find(|manifest| manifest.hook().is_none()).unwrap());
        assert_eq!(file["telemetry"]["listen"].as_str(), Some(format!("{host}:8471").as_str()));
        let api = pods(variant(name)).find(|pod| pod.component() == "api").unwrap();
        assert_eq!(api.variables()["LOKI__API__LISTEN"].unwrap(), format!("{host}:8470"));
    }
    let agent = pods(variant("cell")).find(|pod| pod.component() == "agent").unwrap();
    assert_eq!(agent.variables()["LOKI__TELEMETRY__LISTEN"], Ok("[::]:8472"));
}

#[test]
fn points_are_taken_by_telnet_only_where_that_is_wanted() {
    for (variant, manifests) in variants() {
        for pod in pods(manifests) {
            let (variables, what) = (pod.variables(), format!("{variant}: {}", pod.owner));
            let telnet = ["LOKI__TELNET__LISTEN", "LOKI__TELNET__OPEN"].map(|name| variables.get(name).map(|value| value.unwrap()));
            let wanted = match (pod.component(), variant.as_str()) {
                ("api", "cell") => [Some("[::]:4242"), Some("true")],
                ("api", _) => [Some(""), None],
                _ => [None, None],
            };
            assert_eq!(telnet, wanted, "{what}");
        }
    }
}

#[test]
fn what_has_its_own_place_is_refused_elsewhere() {
    let refused = [
        ("settings.mysql.url=mysql://x", "mysql.existingSecret"),
        ("settings.api.token=x", "api.existingSecret"),
        ("settings.api.listen=0.0.0.0:80", "listenHost"),
        ("settings.telemetry.listen=[::]:80", "listenHost"),
        ("settings.zookeeper.auth=a:b", "zookeeper.existingSecret"),
        ("settings.cdn_system.url=mysql://x", "cdnSystem.existingSecret"),
        ("settings.cdn_system.reader_url=mysql://x", "cdnSystem.readerSecretKey"),
        ("settings.cdn_system.migrate_url=mysql://x", "cdnSystem.migrateSecretKey"),
        ("settings.redis.url=redis://x", "redis.existingSecret"),
        ("settings.opentsdb.addresses=http://t", "opentsdb.addresses"),
        ("settings.telnet.listen=0.0.0.0:4242", "api.telnet.enabled"),
        ("settings.telnet.open=true", "api.telnet.enabled"),
        ("settings.agent.spool_max=1GiB", "agent.spoolMebibytes"),
        ("settings.agent.server=web01", "name of its node"),
        ("settings.kafka.brokers=k:1", "kafka.brokers"),
        ("kafka.options.a=b,kafka.existingSecret=k", "exclude each other"),
    ];
    for (value, reason) in refused {
        let error = render(&["--set-string", value]).unwrap_err();
        assert!(error.contains(reason), "{value}: {error}");
    }
}

#[test]
fn a_changed_setting_rolls_the_pods() {
    let checksum = |arguments: &[&str]| {
        let manifests = render(arguments).unwrap();
        let deployment = find(&manifests, "Deployment", "loki-ops-decider").at("/spec/template/metadata/annotations").clone();
        deployment["checksum/config"].as_str().unwrap().to_owned()
    };
    assert_eq!(checksum(&[]), checksum(&["--set", "decider.replicas=5"]));
    assert_ne!(checksum(&[]), checksum(&["--set", "settings.logs.filter=debug"]));
    assert_ne!(checksum(&[]), checksum(&["--set", "kafka.options.a=b"]));
}
