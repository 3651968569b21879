//! The stages of a request as parts of its X-Ray trace: one packet to the daemon that runs beside every traced function.
//!
//! Lambda makes the trace, samples it and writes the function's own segment; what is added here are the stages. The
//! libraries for it, X-Ray's own or OpenTelemetry's with its exporter and collector, are larger than the functions.
//! Source: AWS X-Ray developer guide, "Segment documents" and "Sending trace data to X-Ray".

use super::trail::Trail;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Says to the daemon what follows.
const HEADER: &str = "{\"format\": \"json\", \"version\": 1}\n";

/// A request that is traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traced<'a> {
    root: &'a str,
    parent: &'a str,
}

/// When a request began and ended, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// On the clock that stages are measured with.
    pub began: Instant,
    /// Since 1970.
    pub began_since_1970: Duration,
    /// From beginning to end.
    pub took: Duration,
}

impl<'a> Traced<'a> {
    /// Reads `Root=1-...;Parent=...;Sampled=1`; nothing of a request that is not sampled.
    pub fn read(header: &'a str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = header.split(';').filter_map(|part| part.split_once('='));
            fields
                .find(|(n, _)| n.trim() == name)
                .map(|(_, value)| value.trim())
        };
        let (root, parent) = (field("Root")?, field("Parent")?);
        (field("Sampled")? == "1").then_some(Self { root, parent })
    }

    /// The packet: a part named as the function, and within it the stages. `told` is what the trace can be searched by.
    pub fn packet(&self, name: &str, trail: &Trail, times: &Times, told: &Value) -> String {
        let at = |since: Duration| (times.began_since_1970 + since).as_secs_f64();
        let stages = trail.stages.iter().map(|(stage, of)| {
            let began = of.began.saturating_duration_since(times.began);
            json!({ "id": id(), "name": stage, "start_time": at(began), "end_time": at(began + of.took) })
        });
        let part = json!({
            "type": "subsegment",
            "id": id(),
            "trace_id": self.root,
            "parent_id": self.parent,
            "name": name,
            "start_time": at(Duration::ZERO),
            "end_time": at(times.took),
            "annotations": told,
            "subsegments": stages.collect::<Vec<_>>(),
        });
        format!("{HEADER}{part}")
    }
}

/// Sends a packet. Nobody waits for it, and one that is lost is a trace without stages.
pub(super) fn send(daemon: SocketAddr, packet: &str) {
    if let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) {
        let _ = socket.send_to(packet.as_bytes(), daemon);
    }
}

fn id() -> String {
    format!("{:016x}", fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::super::trail::Stage;
    use super::*;

    #[test]
    fn a_sampled_request_is_read_and_no_other() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:0";
        let traced = Traced::read(header).unwrap();
        assert_eq!(
            (traced.root, traced.parent),
            ("1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8")
        );
        for other in [
            "",
            "Root=1-2;Sampled=1",
            "Root=1-2;Parent=3;Sampled=0",
            "Root=1-2;Parent=3",
        ] {
            assert_eq!(Traced::read(other), None, "{other}");
        }
    }

    #[test]
    fn stages_lie_within_their_request() {
        let began = Instant::now();
        let stage = Stage {
            began: began + Duration::from_millis(2),
            took: Duration::from_millis(3),
        };
        let trail = Trail {
            stages: [("score", stage)].into(),
            ..Trail::default()
        };
        let times = Times {
            began,
            began_since_1970: Duration::from_secs(100),
            took: Duration::from_millis(8),
        };
        let traced = Traced {
            root: "r",
            parent: "p",
        };
        let packet = traced.packet("shop-churn", &trail, &times, &json!({ "rows": 1 }));
        let part: Value = serde_json::from_str(packet.strip_prefix(HEADER).unwrap()).unwrap();
        let milliseconds = |of: &Value| {
            [&of["start_time"], &of["end_time"]]
                .map(|t| (t.as_f64().unwrap() * 1000.0).round() as i64)
        };
        assert_eq!(milliseconds(&part), [100_000, 100_008]);
        assert_eq!(milliseconds(&part["subsegments"][0]), [100_002, 100_005]);
        assert_eq!(part["subsegments"][0]["id"].as_str().unwrap().len(), 16);
        assert_ne!(part["subsegments"][0]["id"], part["id"]);
        assert_eq!(
            (&part["parent_id"], &part["trace_id"]),
            (&json!("p"), &json!("r"))
        );
    }
}
