//! The three ways in which versions of Grafana ask for a panel's points, and what each can decode.
//!
//! | line | which | where |
//! | --- | --- | --- |
//! | browser | dashboards up to Grafana 12, without the toggle `opentsdbBackendMigration` | grafana/grafana, `public/app/plugins/datasource/opentsdb/datasource.ts` |
//! | alerting | alert rules of the same versions | grafana/grafana, `pkg/tsdb/opentsdb/opentsdb.go` |
//! | plug-in | all of it since then | grafana/grafana-opentsdb-datasource, `pkg/opentsdb` |

use serde_json::{Value, json};

use super::answer::{self, Groups};
use super::dashboard::{Panel, Target};
use super::request::Span;
use crate::sides::Question;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// `query`: it is set to OpenTSDB 2.3 and finds its targets by `query.index`. `ms`: it is set to milliseconds.
    Browser { query: bool, ms: bool },
    /// A rule has no variables: what a rule made of a panel has in their place is what the panel showed.
    Alerting,
    /// `arrays`: it is set to OpenTSDB 2.4.
    Plugin { arrays: bool },
}

impl Line {
    pub(super) const ALL: [Self; 6] = [
        Self::Browser { query: false, ms: false },
        Self::Browser { query: false, ms: true },
        Self::Browser { query: true, ms: false },
        Self::Alerting,
        Self::Plugin { arrays: false },
        Self::Plugin { arrays: true },
    ];

    pub(super) fn wants_the_query(self) -> bool {
        matches!(self, Self::Browser { query: true, .. })
    }

    /// The requests for one panel.
    pub(super) fn questions(self, panel: &Panel, span: Span) -> Vec<Question> {
        let all: Vec<Value> = panel.targets.iter().map(part).collect();
        match self {
            Self::Browser { query, ms } => {
                // a dashboard that looks until now sends no end
                let mut body = json!({ "start": span.start_ms, "queries": all, "msResolution": ms, "globalAnnotations": true });
                if query {
                    body["showQuery"] = json!(true);
                }
                vec![Question::post("/api/query", &body)]
            }
            Self::Alerting => {
                vec![Question::post("/api/query", &json!({ "start": span.start_ms, "end": span.end_ms, "queries": all }))]
            }
            Self::Plugin { arrays } => {
                let target = if arrays { "/api/query?arrays=true" } else { "/api/query" };
                let (start, end) = (span.start_ms / 1_000, span.end_ms / 1_000);
                let one = |part: Value| Question::post(target, &json!({ "start": start, "end": end, "queries": [part] }));
                all.into_iter().map(one).collect()
            }
        }
    }

    /// Panics where this line shows an error instead of the panel.
    pub(super) fn decode(self, body: &[u8]) -> Groups {
        match self {
            Self::Browser { ms, .. } => answer::groups_by_instant(body, if ms { 1 } else { 1_000 }),
            Self::Alerting | Self::Plugin { arrays: false } => answer::groups_by_instant(body, 1_000),
            Self::Plugin { arrays: true } => answer::groups_in_pairs(body),
        }
    }
}

/// The member of `queries`, the same in all lines.
fn part(target: &Target) -> Value {
    let filters: Vec<Value> = (target.filters.iter())
        .map(|filter| json!({ "type": filter.kind, "tagk": filter.tagk, "filter": filter.filter, "groupBy": filter.group_by }))
        .collect();
    json!({ "metric": target.metric, "aggregator": target.aggregator, "downsample": target.downsample(), "filters": filters })
}
