//! The shapes that every kernel is held against: those of VGG16 at small batches, and awkward ones.

use crate::{dtype::DType, ops::*};

/// Height, width, input and output channels. Sides of one, odd sides, H != W, channels that are no multiple of 4 or
/// of 8, one and three channels, more channels than a tile, and the layers of VGG16 at 28 px.
const CONVS: &[[usize; 5]] = &[
    // n, h, w, c, k
    [1, 1, 1, 4, 8],
    [1, 5, 3, 1, 8],
    [2, 7, 4, 3, 5],
    [3, 3, 7, 12, 16],
    [1, 2, 9, 8, 8],
    [2, 6, 6, 10, 24],
    [1, 4, 5, 17, 67],
    [2, 28, 28, 1, 64],
    [1, 28, 28, 16, 16],
    [2, 14, 14, 64, 128],
    [3, 7, 7, 32, 64],
    [5, 3, 3, 64, 64],
    [4, 2, 2, 128, 128],
    [7, 1, 1, 72, 40],
    [1, 5, 4, 3, 32],
    [3, 3, 5, 48, 96],
    [1, 9, 11, 6, 16],
    // More images than one chunk of Winograd's workspaces takes on a software adapter.
    [13, 28, 28, 4, 64],
    // More images than one chunk of Winograd's workspaces takes.
    [13, 28, 28, 48, 64],
];

/// Rows and channels.
const COLUMNS: &[[usize; 2]] = &[
    [1, 1],
    [1, 8],
    [7, 3],
    [33, 5],
    [64, 12],
    [255, 7],
    [257, 64],
    [1571, 16],
    [35_000, 4],
    [40, 255],
    [9, 512],
    [5, 257],
    [83, 10],
];

/// Elements; the last needs more than 65,535 workgroups.
const LENGTHS: &[usize] = &[1, 3, 4, 255, 256, 257, 4099, 65_536 * 64 + 4];

/// Images, inputs, outputs.
const LINEARS: &[[usize; 3]] = &[
    [1, 1, 1],
    [1, 4, 3],
    [5, 7, 10],
    [3, 128, 10],
    [16, 512, 64],
    [9, 36, 72],
    [64, 100, 24],
    [2, 2052, 8],
    [33, 96, 32],
    [6, 16, 6],
];

/// A feature slice of a linear layer: images, inputs, outputs, first, total.
const LINEAR_SLICES: &[[usize; 5]] = &[[3, 20, 64, 64, 192], [2, 12, 7, 9, 16], [9, 8, 8, 0, 72]];

const POOLS: &[MaxPool] = &[
    MaxPool { n: 2, h: 28, w: 28, c: 16, kernel: 2, stride: [2, 2] },
    MaxPool { n: 3, h: 7, w: 7, c: 12, kernel: 2, stride: [2, 2] },
    MaxPool { n: 2, h: 3, w: 3, c: 8, kernel: 2, stride: [1, 1] },
    MaxPool { n: 1, h: 2, w: 5, c: 3, kernel: 2, stride: [1, 2] },
    MaxPool { n: 2, h: 9, w: 6, c: 5, kernel: 3, stride: [2, 1] },
    MaxPool { n: 1, h: 8, w: 8, c: 4, kernel: 2, stride: [3, 3] },
    MaxPool { n: 1, h: 2, w: 2, c: 1, kernel: 2, stride: [2, 2] },
    MaxPool { n: 2, h: 11, w: 9, c: 6, kernel: 3, stride: [3, 3] },
];

/// Sizes that divide and that do not, the identity, and outputs larger than the input.
const AVG_POOLS: &[AvgPool] = &[
    AvgPool { n: 2, h: 7, w: 7, c: 16, output: [7, 7] },
    AvgPool { n: 3, h: 1, w: 1, c: 12, output: [7, 7] },
    AvgPool { n: 2, h: 14, w: 14, c: 8, output: [7, 7] },
    AvgPool { n: 1, h: 10, w: 3, c: 5, output: [7, 7] },
    AvgPool { n: 2, h: 9, w: 13, c: 3, output: [2, 5] },
    AvgPool { n: 1, h: 5, w: 4, c: 4, output: [1, 1] },
    AvgPool { n: 1, h: 2, w: 1, c: 1, output: [3, 1] },
];

const EPS: f32 = 1e-5;

fn adams(len: usize) -> Vec<Op> {
    let adam = Adam { len, weight_decay: 0.01, ..Adam::DEFAULT };
    [
        Adam { weight_decay: 0.0, ..adam },
        adam,
        Adam { decoupled: true, weight_decay: 0.5, ..adam },
        Adam { scaled: true, ..adam },
        Adam { scaled: true, decoupled: true, ..adam },
    ]
    .map(Op::from)
    .into()
}

fn sgds(len: usize) -> Vec<Op> {
    let sgd = Sgd { len, momentum: 0.9, nesterov: false, weight_decay: 0.01, scaled: false };
    [
        Sgd { momentum: 0.0, weight_decay: 0.0, ..sgd },
        sgd,
        Sgd { nesterov: true, ..sgd },
        Sgd { momentum: 0.0, scaled: true, ..sgd },
        Sgd { scaled: true, ..sgd },
        Sgd { nesterov: true, scaled: true, ..sgd },
    ]
    .map(Op::from)
    .into()
}

fn losses(make: impl Fn(usize, usize, f32) -> Op) -> Vec<Op> {
    let shapes = [[1, 2], [7, 10], [3, 1000], [65, 67], [1, 65_536]];
    [0.0, 0.1].into_iter().flat_map(|s| shapes.map(|[n, classes]| make(n, classes, s))).collect()
}

fn lengths<I: IntoIterator<Item = Op>>(make: impl Fn(usize) -> I) -> Vec<Op> {
    LENGTHS[..7].iter().flat_map(|&len| make(len)).collect()
}

fn convs(make: impl Fn(Conv) -> Op) -> Vec<Op> {
    CONVS.iter().map(|&[n, h, w, c, k]| make(Conv { n, h, w, c, k })).collect()
}

fn pools(make: impl Fn(MaxPool, bool) -> Op) -> Vec<Op> {
    POOLS.iter().flat_map(|&pool| [make(pool, false), make(pool, true)]).collect()
}

fn columns(make: impl Fn(usize, usize) -> Op) -> Vec<Op> {
    COLUMNS.iter().map(|&[rows, channels]| make(rows, channels)).collect()
}

fn linears(make: impl Fn(Linear) -> Op) -> Vec<Op> {
    let whole = LINEARS.iter().map(|&[n, inputs, outputs]| Linear::whole(n, inputs, outputs));
    let slices = LINEAR_SLICES.iter().map(|&[n, inputs, outputs, first, total]| Linear {
        n,
        inputs,
        outputs,
        first,
        total,
    });
    whole.chain(slices).map(make).collect()
}

fn prepare(n: usize, source: [usize; 2], output: [usize; 2], channels: usize) -> Op {
    let (mean, std) = ([0.1307, 0.456, 0.406], [0.3081, 0.224, 0.225]);
    PrepareImages { n, source, output, mean: mean[..channels].into(), std: std[..channels].into() }.into()
}

/// Elements up to which a case is repeated with operands of f16.
const HALVES: usize = 1 << 20;

/// The cases of an operation, by its name as [`Op::NAMES`] has it, those with f16 operands included.
pub fn cases(op: &str) -> Vec<Op> {
    let mut cases = plain(op);
    let small = |op: &&Op| op.operands().iter().all(|o| o.shape.elements() <= HALVES);
    let halves = cases.iter().filter(small).filter(|op| !matches!(op, Op::Cast(_))).map(half);
    let halves: Vec<Op> = halves.filter(|op| op.operands().iter().any(|o| o.dtype == DType::F16)).collect();
    cases.extend(halves);
    cases
}

fn half(op: &Op) -> Op {
    Half::new(op.clone()).into()
}

fn plain(op: &str) -> Vec<Op> {
    match op {
        "prepare.images" => vec![
            prepare(3, [28, 28], [28, 28], 1),
            prepare(2, [28, 28], [61, 47], 1),
            prepare(1, [5, 9], [24, 24], 3),
            prepare(2, [33, 32], [17, 24], 3),
            prepare(1, [1, 1], [3, 2], 1),
        ],
        "conv.forward" => [(false, false), (true, true), (true, false), (false, true)]
            .into_iter()
            .flat_map(|(normalized, statistics)| {
                convs(move |conv| ConvForward { conv, normalized, statistics }.into())
            })
            .collect(),
        "conv.grad_input" => {
            let statistics = None;
            let mut cases: Vec<Op> = [None, Some(0.5), Some(0.0)]
                .into_iter()
                .flat_map(|through| convs(move |conv| ConvGradInput { conv, through, statistics }.into()))
                .collect();
            cases.extend(convs(|conv| {
                let even = conv.w % 2 == 0;
                let (through, at_zero) = if even { (Some(0.0), 0.5) } else { (None, 0.0) };
                let statistics = Some(GradStatistics { at_zero, accumulate: even });
                ConvGradInput { conv, through, statistics }.into()
            }));
            cases
        }
        "conv.grad_weight" => [
            (true, false, None),
            (false, false, None),
            (true, true, None),
            (false, true, None),
            (true, true, Some(0.5)),
            (false, true, Some(0.0)),
            (false, false, Some(0.5)),
        ]
        .into_iter()
        .flat_map(|(accumulate, normalized, through)| {
            convs(move |conv| ConvGradWeight { conv, normalized, through, accumulate }.into())
        })
        .collect(),
        "bias.grad" => {
            columns(|rows, channels| GradBias { rows, channels, accumulate: rows % 2 == 0 }.into())
        }
        "batch_norm.statistics" => [0, 100]
            .into_iter()
            .flat_map(|rows_before| {
                columns(move |rows, channels| BatchNormStatistics { rows, channels, rows_before }.into())
            })
            .collect(),
        "batch_norm.running" => columns(|rows, channels| {
            BatchNormRunning { rows, channels, momentum: 0.1, unbiased: channels % 2 == 0 }.into()
        }),
        "batch_norm.affine" => columns(|_, channels| BatchNormAffine { channels, eps: EPS }.into()),
        "batch_norm.normalize" => [false, true]
            .into_iter()
            .flat_map(|relu| {
                columns(move |rows, channels| BatchNormNormalize { rows, channels, relu }.into())
            })
            .collect(),
        "batch_norm.grad_statistics" => [None, Some(0.5), Some(0.0)]
            .into_iter()
            .flat_map(|relu| {
                columns(move |rows, channels| {
                    BatchNormGradStatistics { rows, channels, relu, accumulate: rows % 2 == 0 }.into()
                })
            })
            .collect(),
        "batch_norm.grad_affine" => columns(|rows, channels| {
            BatchNormGradAffine { channels, total_rows: rows, bias: rows % 2 == 0 }.into()
        }),
        "batch_norm.grad_input" => [None, Some(0.5), Some(0.0)]
            .into_iter()
            .flat_map(|relu| {
                columns(move |rows, channels| BatchNormGradInput { rows, channels, relu }.into())
            })
            .collect(),
        "relu.forward" => LENGTHS.iter().map(|&len| Relu { len }.into()).collect(),
        "relu.grad_input" => [0.5, 0.0]
            .into_iter()
            .flat_map(|at_zero| LENGTHS[..7].iter().map(move |&len| ReluGrad { len, at_zero }.into()))
            .collect(),
        "max_pool.forward" => pools(|pool, normalized| MaxPoolForward { pool, normalized }.into()),
        "max_pool.grad_input" => {
            let grad = |pool, normalized, statistics| MaxPoolGrad { pool, normalized, statistics }.into();
            let mut cases = pools(|pool, normalized| grad(pool, normalized, None));
            // Those of more channels, and of more chunks than the sums of one workgroup.
            let more = [[3, 10, 14, 67], [2, 9, 4, 256], [5, 119, 121, 8]].map(|[n, h, w, c]| MaxPool {
                n,
                h,
                w,
                c,
                kernel: 2,
                stride: [2, 2],
            });
            for (at, &pool) in POOLS.iter().chain(&more).filter(|pool| pool.disjoint()).enumerate() {
                let at_zero = [0.5, 0.0][at % 2];
                let statistics = [false, true].map(|accumulate| GradStatistics { at_zero, accumulate });
                cases.extend(statistics.map(|statistics| grad(pool, true, Some(statistics))));
            }
            cases
        }
        "avg_pool.forward" => AVG_POOLS.iter().map(|&pool| pool.into()).collect(),
        "avg_pool.grad_input" => AVG_POOLS.iter().map(|&pool| AvgPoolGrad(pool).into()).collect(),
        "dropout.apply" => LENGTHS[..7]
            .iter()
            .map(|&len| Dropout { len, offset: 4 * (len % 3), rate: 0.3, layer: 2 }.into())
            .collect(),
        "linear.forward" => linears(Op::Linear),
        "linear.grad_input" => linears(|linear| LinearGradInput(linear).into()),
        "linear.grad_weight" => linears(|linear| LinearGradWeight(linear).into()),
        "linear.update" => linears(|linear| {
            let weight_decay = if linear.n % 2 == 0 { 0.0 } else { 0.01 };
            let adam = Adam { weight_decay, ..Adam::DEFAULT };
            LinearUpdate { linear, adam }.into()
        }),
        "cross_entropy.forward" => {
            losses(|n, classes, label_smoothing| CrossEntropy { n, classes, label_smoothing }.into())
        }
        "cross_entropy.grad_input" => {
            losses(|n, classes, label_smoothing| CrossEntropyGrad { n, classes, label_smoothing }.into())
        }
        "metrics.accumulate" => {
            [[1, 2], [7, 10], [200, 33]].map(|[n, classes]| Metrics { n, classes }.into()).into()
        }
        "adam.update" => lengths(adams),
        "sgd.update" => lengths(sgds),
        // At step 7 the warm-up is at 8 / 17: below the one decay, above the other.
        "average.update" => lengths(|len| [0.9, 0.3].map(|decay| Average { len, decay }.into())),
        // The last takes the most workgroups, each invocation more than one value.
        "clip.square_sum" => {
            LENGTHS.iter().map(|&len| SquareSum { len, accumulate: len % 2 == 0 }.into()).collect()
        }
        // Below and above the norm, whose square the inputs have as 81.
        "clip.apply" => lengths(|len| {
            [(4.5, false), (0.01, true), (20.0, false), (20.0, true)]
                .map(|(max_norm, scaled)| ClipGradient { len, max_norm, scaled }.into())
        }),
        "cast.convert" => [(DType::F32, DType::F16), (DType::F16, DType::F32)]
            .into_iter()
            .flat_map(|(from, to)| LENGTHS[..7].iter().map(move |&len| Cast { len, from, to }.into()))
            .collect(),
        "loss_scale.apply" => LENGTHS[..7].iter().map(|&len| ScaleGradient { len }.into()).collect(),
        "loss_scale.check" => LENGTHS[..7].iter().map(|&len| FiniteCheck { len }.into()).collect(),
        "loss_scale.update" => [1, 6, 7]
            .map(|growth_interval| LossScaleUpdate { beta1: 0.9, beta2: 0.999, growth_interval }.into())
            .into(),
        other => unreachable!("{other} is no operation, or has no cases"),
    }
}
