//! What acme runs.

use Naming::{Even, Letters, Numbers, Odd};

/// Data centres: name, region, second octet of the addresses.
pub(super) const IDCS: [(&str, &str, u8); 4] = [("bj1", "north", 1), ("sh1", "east", 2), ("gz1", "south", 3), ("sg1", "overseas", 9)];

/// A branch of the company.
pub(super) struct Unit {
    pub(super) name: &'static str,
    pub(super) owner: &'static str,
    pub(super) services: &'static [Service],
}

pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) tier: u8,
    pub(super) roles: &'static [Role],
}

pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) port: u16,
    /// How many servers in each of [`IDCS`].
    pub(super) servers: [u8; 4],
    pub(super) naming: Naming,
    /// The first server of each data centre takes new versions first.
    pub(super) canary: bool,
}

/// How the hosts of a role are named: `web01`, `zk-a`, or every second number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Numbers,
    Letters,
    Even,
    Odd,
}

const fn role(name: &'static str, port: u16, servers: [u8; 4]) -> Role {
    Role { name, port, servers, naming: Numbers, canary: false }
}

const fn canary(name: &'static str, port: u16, servers: [u8; 4]) -> Role {
    Role { name, port, servers, naming: Numbers, canary: true }
}

const fn named(name: &'static str, port: u16, servers: [u8; 4], naming: Naming) -> Role {
    Role { name, port, servers, naming, canary: false }
}

const fn service(name: &'static str, tier: u8, roles: &'static [Role]) -> Service {
    Service { name, tier, roles }
}

pub(super) const UNITS: [Unit; 6] = [
    Unit {
        name: "retail",
        owner: "retail-sre",
        services: &[
            service(
                "shop",
                1,
                &[
                    canary("web", 8080, [12, 12, 6, 4]),
                    canary("app", 9000, [12, 12, 6, 3]),
                    role("db", 3306, [3, 3, 2, 0]),
                    role("cache", 6379, [4, 4, 2, 2]),
                    role("queue", 9092, [3, 3, 0, 0]),
                ],
            ),
            service("cart", 1, &[canary("app", 9010, [8, 8, 4, 2]), role("db", 3306, [3, 3, 0, 0]), role("cache", 6379, [4, 4, 2, 0])]),
            service(
                "catalog",
                1,
                &[
                    canary("web", 8080, [6, 6, 4, 2]),
                    canary("app", 9020, [6, 6, 3, 2]),
                    role("db", 3306, [3, 2, 0, 0]),
                    role("cache", 6379, [3, 3, 2, 0]),
                ],
            ),
            service("review", 2, &[canary("app", 9030, [4, 4, 2, 0]), role("db", 3306, [2, 2, 0, 0]), role("queue", 9092, [3, 0, 0, 0])]),
            service("coupon", 2, &[canary("app", 9040, [4, 4, 2, 0]), role("db", 3306, [2, 2, 0, 0]), role("cache", 6379, [2, 2, 0, 0])]),
            service("wishlist", 3, &[canary("app", 9050, [2, 2, 0, 0]), role("db", 3306, [2, 0, 0, 0])]),
        ],
    },
    Unit {
        name: "discovery",
        owner: "discovery-sre",
        services: &[
            service(
                "search",
                1,
                &[
                    canary("web", 8080, [8, 8, 4, 2]),
                    named("index_even", 9200, [8, 8, 0, 0], Even),
                    named("index_odd", 9200, [8, 8, 0, 0], Odd),
                    canary("app", 9100, [8, 8, 4, 2]),
                    role("cache", 6379, [4, 4, 2, 0]),
                ],
            ),
            service(
                "recommend",
                2,
                &[
                    canary("app", 9110, [8, 6, 2, 0]),
                    role("feature", 6380, [6, 6, 0, 0]),
                    role("train", 22, [8, 0, 0, 0]),
                    role("queue", 9092, [3, 3, 0, 0]),
                ],
            ),
            service(
                "ads",
                1,
                &[
                    canary("web", 8080, [8, 8, 4, 2]),
                    canary("bid", 9120, [10, 10, 4, 2]),
                    role("db", 3306, [3, 3, 0, 0]),
                    role("cache", 6379, [4, 4, 2, 2]),
                    role("report", 9121, [4, 0, 0, 0]),
                ],
            ),
        ],
    },
    Unit {
        name: "money",
        owner: "money-sre",
        services: &[
            service(
                "payments",
                0,
                &[
                    canary("web", 8443, [8, 8, 4, 2]),
                    canary("app", 9200, [10, 10, 4, 2]),
                    role("db", 3306, [5, 5, 0, 0]),
                    role("cache", 6379, [3, 3, 0, 0]),
                    role("queue", 9092, [3, 3, 0, 0]),
                    named("hsm", 1792, [2, 2, 0, 0], Letters),
                ],
            ),
            service("ledger", 0, &[canary("app", 9210, [6, 6, 0, 0]), role("db", 3306, [5, 5, 0, 0]), role("archive", 22, [2, 2, 0, 0])]),
            service("risk", 1, &[canary("app", 9220, [8, 6, 0, 2]), role("db", 3306, [2, 2, 0, 0]), role("model", 9221, [4, 4, 0, 0])]),
            service("invoice", 2, &[canary("app", 9230, [3, 3, 0, 0]), role("db", 3306, [2, 2, 0, 0]), role("render", 9231, [4, 0, 0, 0])]),
        ],
    },
    Unit {
        name: "logistics",
        owner: "logistics-sre",
        services: &[
            service(
                "delivery",
                1,
                &[
                    canary("web", 8080, [4, 4, 2, 0]),
                    canary("app", 9300, [8, 8, 4, 0]),
                    role("db", 3306, [3, 3, 0, 0]),
                    role("queue", 9092, [3, 3, 0, 0]),
                ],
            ),
            service(
                "warehouse",
                1,
                &[
                    canary("app", 9310, [6, 6, 4, 0]),
                    role("db", 3306, [3, 3, 0, 0]),
                    role("edge", 9311, [0, 0, 8, 0]),
                    role("cache", 6379, [2, 2, 0, 0]),
                ],
            ),
            service("route", 2, &[canary("app", 9320, [6, 4, 0, 0]), role("solver", 9321, [10, 0, 0, 0])]),
            service("customs", 3, &[canary("app", 9330, [0, 2, 2, 2]), role("db", 3306, [0, 2, 0, 0])]),
        ],
    },
    Unit {
        name: "platform",
        owner: "platform-sre",
        services: &[
            service(
                "account",
                0,
                &[
                    canary("web", 8443, [6, 6, 2, 2]),
                    canary("app", 9400, [8, 8, 4, 2]),
                    role("db", 3306, [3, 3, 0, 0]),
                    role("cache", 6379, [4, 4, 2, 2]),
                ],
            ),
            service("gateway", 0, &[canary("edge", 443, [6, 6, 4, 2]), role("internal", 8443, [4, 4, 2, 2])]),
            service(
                "message",
                2,
                &[canary("app", 9410, [4, 4, 2, 0]), role("queue", 9092, [3, 3, 0, 0]), role("push", 9411, [4, 4, 0, 0])],
            ),
            service(
                "media",
                2,
                &[
                    canary("web", 8080, [6, 6, 4, 2]),
                    role("transcode", 9420, [8, 6, 0, 0]),
                    role("store", 9421, [8, 8, 4, 0]),
                    role("db", 3306, [2, 2, 0, 0]),
                ],
            ),
            service("config", 0, &[canary("app", 9430, [3, 3, 2, 2]), role("db", 3306, [2, 2, 0, 0])]),
        ],
    },
    Unit {
        name: "infra",
        owner: "infra-sre",
        services: &[
            service("dns", 0, &[role("resolver", 53, [3, 3, 3, 2]), role("authority", 53, [2, 2, 0, 0])]),
            service("ntp", 0, &[named("server", 123, [2, 2, 2, 2], Letters)]),
            service("zookeeper", 0, &[named("node", 2181, [5, 5, 3, 3], Letters)]),
            service("kafka", 0, &[role("broker", 9092, [9, 9, 3, 3]), role("mirror", 9093, [2, 2, 0, 0])]),
            service("hbase", 1, &[role("master", 16000, [2, 2, 0, 0]), role("region", 16020, [12, 10, 0, 0])]),
            service(
                "monitoring",
                1,
                &[
                    role("collector", 4242, [4, 4, 2, 2]),
                    role("tsdb", 4242, [6, 6, 0, 0]),
                    canary("prober", 9500, [2, 2, 2, 2]),
                    role("grafana", 3000, [2, 0, 0, 0]),
                ],
            ),
            service("logging", 1, &[role("ingest", 9510, [4, 4, 2, 2]), role("store", 9511, [8, 8, 0, 0])]),
            service(
                "build",
                2,
                &[role("controller", 8080, [2, 0, 0, 0]), canary("worker", 22, [8, 4, 0, 0]), role("registry", 5000, [2, 2, 2, 2])],
            ),
            service("backup", 2, &[role("store", 22, [4, 4, 0, 0])]),
        ],
    },
];
