//! A mount: one server on one node, with its share of the node's traffic.

use crate::{Invalid, MembershipId, NodeId, ServerId, ServerState};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    pub node: NodeId,
    pub server: ServerId,
    /// Mounted, but takes no traffic.
    pub offline: bool,
    /// `None`: automatic, an equal share of what the fixed ratios leave.
    pub ratio: Option<Ratio>,
    pub source: Source,
}

/// Who mounted it. A membership unmounts only what it mounted itself; weighing or mounting by hand takes a mount over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Manual,
    Membership(MembershipId),
}

/// A share of a node's traffic in parts per million, 0 to 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u32);

impl Ratio {
    pub const ONE: u32 = 1_000_000;

    pub fn new(ppm: u32) -> Result<Self, Invalid> {
        if ppm > Self::ONE {
            return Err(Invalid::new(format!("a ratio has 0 to {} parts per million, this has {ppm}", Self::ONE)));
        }
        Ok(Self(ppm))
    }

    pub fn ppm(self) -> u32 {
        self.0
    }
}

/// What the weight of a mount depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighed {
    pub offline: bool,
    pub state: ServerState,
    pub ratio: Option<Ratio>,
}

/// The integer weights that a load balancer needs, reduced by their greatest common divisor, in the order given.
///
/// A mount that is offline, or whose server is not online, weighs 0. Fixed ratios weigh their parts per million; automatic ones share
/// what is left of 1,000,000 equally; when nothing is fixed they weigh 1 each.
pub fn weights(mounts: &[Weighed]) -> Vec<u64> {
    let active = |m: &Weighed| !m.offline && m.state == ServerState::Online;
    let fixed: u64 = mounts.iter().filter_map(|m| m.ratio).map(|r| u64::from(r.ppm())).sum();
    let automatic = mounts.iter().filter(|m| active(m) && m.ratio.is_none()).count() as u64;
    let left = u64::from(Ratio::ONE).saturating_sub(fixed);
    let scale = automatic.max(1);
    let raw: Vec<u64> = mounts
        .iter()
        .map(|m| match m.ratio {
            _ if !active(m) => 0,
            Some(ratio) => u64::from(ratio.ppm()) * scale,
            None => left,
        })
        .collect();
    let divisor = raw.iter().copied().fold(0, gcd).max(1);
    raw.into_iter().map(|weight| weight / divisor).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(ppm: Option<u32>) -> Weighed {
        Weighed { offline: false, state: ServerState::Online, ratio: ppm.and_then(|p| Ratio::new(p).ok()) }
    }

    #[test]
    fn weights_are_reduced() {
        assert_eq!(weights(&[]), Vec::<u64>::new());
        assert_eq!(weights(&[on(None), on(None), on(None)]), [1, 1, 1]);
        assert_eq!(weights(&[on(Some(500_000)), on(Some(250_000)), on(Some(250_000))]), [2, 1, 1]);
        assert_eq!(weights(&[on(Some(0)), on(Some(0))]), [0, 0]);
        // 0.4 fixed leaves 0.3 for each of two automatic ones
        assert_eq!(weights(&[on(Some(400_000)), on(None), on(None)]), [4, 3, 3]);
        // nothing left for the automatic one
        assert_eq!(weights(&[on(Some(1_000_000)), on(None)]), [1, 0]);
    }

    #[test]
    fn what_takes_no_traffic_weighs_nothing() {
        let off = Weighed { offline: true, ..on(None) };
        let repair = Weighed { state: ServerState::Maintenance, ..on(None) };
        assert_eq!(weights(&[off, on(None), repair, on(None)]), [0, 1, 0, 1]);
        assert_eq!(weights(&[off]), [0]);
    }
}
