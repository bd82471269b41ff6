//! Limits the work in one submission, so that none trips the system's watchdog.
//!
//! Windows and some Linux drivers reset a GPU that a submission keeps busy for longer than about two seconds.
//! A step is therefore submitted in pieces, each expected to stay under a budget. The time of a piece is estimated from
//! its cost (floating-point operations, or bytes where they dominate) and the device's pace, which every wait for a run
//! measures. The initial pace is that of a slow device, and one measurement at most halves the time per unit: a piece at
//! most doubles from one measurement to the next.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::ops::Op;

/// Roughly the floating-point operations that a device does in the time of moving one byte.
const FLOPS_A_BYTE: u64 = 10;

/// A slow device: 50 GFLOP/s.
const SLOW_NS: f64 = 0.02;

/// The cost of an operation in floating-point operations.
pub(super) fn cost(op: &Op) -> f64 {
    op.flops().max(FLOPS_A_BYTE * op.bytes()) as f64
}

/// A run in flight.
#[derive(Debug)]
pub(super) struct Run {
    /// Its last submission.
    pub last: wgpu::SubmissionIndex,
    cost: f64,
    /// When the device began it, if it was idle.
    began: Option<Instant>,
}

impl Run {
    /// A submitted run; `began` is set where the device was idle.
    pub fn new(last: wgpu::SubmissionIndex, cost: f64, began: Option<Instant>) -> Self {
        Self { last, cost, began }
    }
}

/// The device's pace and the budget of a submission.
#[derive(Debug)]
pub(super) struct Pace {
    budget_ns: f64,
    /// Nanoseconds for each unit of cost.
    ns: f64,
    /// When the last run ended, where the host saw it end.
    ended: Option<Instant>,
}

impl Pace {
    /// The pace before any measurement.
    pub fn new(budget: Duration) -> Self {
        Self { budget_ns: budget.as_nanos() as f64, ns: SLOW_NS, ended: None }
    }

    /// Groups pieces of work into submissions that stay within the budget, with at least one piece each. Without work there
    /// is one empty submission.
    pub fn submissions(&self, work: Range<usize>, cost: impl Fn(usize) -> f64) -> Vec<Range<usize>> {
        let mut submissions = Vec::new();
        let (mut start, mut ns) = (work.start, 0.0);
        for piece in work.clone() {
            let more = cost(piece) * self.ns;
            if piece > start && ns + more > self.budget_ns {
                submissions.push(start..piece);
                (start, ns) = (piece, 0.0);
            }
            ns += more;
        }
        submissions.push(start..work.end);
        submissions
    }

    /// The host waited for a run from `since` until now. Only an end within the wait is a measurement: a run that had
    /// already finished says nothing.
    pub fn finished(&mut self, run: &Run, since: Instant) {
        let (now, began) = (Instant::now(), run.began.or(self.ended));
        let seen = now.duration_since(since) > Duration::from_micros(200);
        self.ended = seen.then_some(now);
        if let (true, Some(began)) = (seen && run.cost > 0.0, began) {
            self.measured(now.duration_since(began).as_nanos() as f64 / run.cost);
        }
    }

    fn measured(&mut self, ns: f64) {
        self.ns = ns.max(self.ns / 2.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(budget_ms: u64) -> Pace {
        Pace::new(Duration::from_millis(budget_ms))
    }

    #[test]
    fn submissions_cover_everything_and_keep_the_budget() {
        // 20 ms each at the first pace.
        let divided = |ms: u64, costs: &[f64]| {
            let pieces = pace(ms).submissions(0..costs.len(), |i| costs[i]);
            assert_eq!(
                pieces.iter().cloned().flatten().collect::<Vec<_>>(),
                (0..costs.len()).collect::<Vec<_>>()
            );
            pieces.iter().map(ExactSizeIterator::len).collect::<Vec<_>>()
        };
        assert_eq!(divided(65, &[1e9; 7]), [3, 3, 1]);
        assert_eq!(divided(1000, &[1e9; 7]), [7]);
        assert_eq!(divided(0, &[1e9; 7]), [1; 7]);
        // A piece over the budget is submitted alone; no work is an empty submission.
        assert_eq!(divided(100, &[1e6, 1e12, 1e6, 1e6]), [1, 1, 2]);
        assert_eq!(divided(10, &[]), [0]);
    }

    #[test]
    fn a_faster_device_gets_more_but_only_twice_as_much_at_once() {
        let mut pace = pace(100);
        let sizes = |pace: &Pace| pace.submissions(0..1000, |_| 1e8)[0].len();
        assert_eq!(sizes(&pace), 50);
        pace.measured(1e-6);
        assert_eq!(sizes(&pace), 100);
        pace.measured(1e-6);
        assert_eq!(sizes(&pace), 200);
        pace.measured(0.02);
        assert_eq!(sizes(&pace), 50);
    }
}
