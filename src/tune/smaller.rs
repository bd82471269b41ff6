//! The same operation on fewer images, so that the reference takes seconds where the shape itself would take minutes.

use crate::ops::*;

/// Floating-point operations that the reference may take.
const FLOPS: u64 = 1 << 31;
/// Bytes that the operands may take; the reference holds them twice as large.
const BYTES: u64 = 512 << 20;

/// The operation itself where the reference can afford it, else on as many images, rows or elements as it can.
pub(super) fn smaller(op: &Op) -> Op {
    let dear = |op: &Op| op.flops() > FLOPS || op.bytes() > BYTES;
    let mut op = op.clone();
    while dear(&op) {
        let Some(half) = half(&op) else { break };
        op = half;
    }
    op
}

/// The operation on half as many images, rows or elements; `None` where only one is left, or where they are all that
/// it is told.
fn half(op: &Op) -> Option<Op> {
    if let Op::Half(stored) = op {
        return half(stored.op()).map(|op| Half::new(op).into());
    }
    let mut op = op.clone();
    let extent = match &mut op {
        Op::PrepareImages(op) => &mut op.n,
        Op::ConvForward(op) => &mut op.conv.n,
        Op::ConvGradInput(op) => &mut op.conv.n,
        Op::ConvGradWeight(op) => &mut op.conv.n,
        Op::GradBias(op) => &mut op.rows,
        Op::BatchNormStatistics(op) => &mut op.rows,
        Op::BatchNormNormalize(op) => &mut op.rows,
        Op::BatchNormGradStatistics(op) => &mut op.rows,
        Op::BatchNormGradInput(op) => &mut op.rows,
        Op::Relu(op) => &mut op.len,
        Op::ReluGrad(op) => &mut op.len,
        Op::MaxPoolForward(op) => &mut op.pool.n,
        Op::MaxPoolGrad(op) => &mut op.pool.n,
        Op::AvgPool(op) | Op::AvgPoolGrad(AvgPoolGrad(op)) => &mut op.n,
        Op::Dropout(op) => &mut op.len,
        Op::Linear(linear)
        | Op::LinearGradInput(LinearGradInput(linear))
        | Op::LinearGradWeight(LinearGradWeight(linear))
        | Op::LinearUpdate(LinearUpdate { linear, .. }) => {
            if linear.n > 1 {
                &mut linear.n
            } else {
                &mut linear.inputs
            }
        }
        Op::Adam(op) => &mut op.len,
        Op::Sgd(op) => &mut op.len,
        Op::Average(op) => &mut op.len,
        Op::SquareSum(op) => &mut op.len,
        Op::ClipGradient(op) => &mut op.len,
        // Cheap on any shape.
        _ => return None,
    };
    if *extent < 2 {
        return None;
    }
    *extent /= 2;
    Some(op)
}

#[cfg(test)]
mod tests {
    use super::*;

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
