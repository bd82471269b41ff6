//! The same operation on fewer images, so that the reference takes seconds instead of minutes.

use crate::{ops::Op, verify::halved};

/// Floating-point operations that the reference may take.
const FLOPS: u64 = 1 << 31;
/// Bytes that the operands may take; the reference's copies are twice as large.
const BYTES: u64 = 512 << 20;

/// The operation itself if it is within these limits, else the operation on as many images, rows or elements as fit.
pub(super) fn smaller(op: &Op) -> Op {
    let dear = |op: &Op| op.flops() > FLOPS || op.bytes() > BYTES;
    let mut op = op.clone();
    while dear(&op) {
        let Some(half) = halved(&op) else { break };
        op = half;
    }
    op
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::*;

    #[test]
    fn the_reference_can_afford_every_layer() {
        let conv = Conv { n: 64, h: 224, w: 224, c: 64, k: 64 };
        let one = smaller(&ConvForward::plain(conv).into());
        assert_eq!(one, ConvForward::plain(Conv { n: 1, ..conv }).into());
        let small = Op::from(ConvForward::plain(Conv { n: 64, h: 7, w: 7, c: 16, k: 16 }));
        assert_eq!(smaller(&small), small);
        let fc1 = smaller(&Op::Linear(Linear::whole(64, 25_088, 4096)));
        assert!(fc1.bytes() <= BYTES && fc1.flops() <= FLOPS, "{fc1:?}");
        let linear = Linear::whole(64, 25_088, 4096);
        let update = smaller(&LinearUpdate { linear, adam: Adam::DEFAULT }.into());
        let weights = update.operands()[3].shape.elements();
        assert!(update.bytes() <= BYTES && weights < linear.inputs * linear.outputs, "{update:?}");
        let half = smaller(&Half::new(ConvForward::plain(conv)).into());
        assert_eq!(half, Half::new(ConvForward::plain(Conv { n: 1, ..conv })).into());
        let len = 102_760_448;
        let Op::Average(average) = smaller(&Average { len, decay: 0.9 }.into()) else {
            panic!("another operation")
        };
        assert!(average.len.is_multiple_of(4) && average.len < len);
    }
}
