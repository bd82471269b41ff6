//! Rows for quantised layers. Bytes are packed into words, four channels of a pixel in each.

use super::{QuantizeImages, QuantizedConv, QuantizedLinear, QuantizedMaxPool, Requantize, padded};
use crate::{
    kernels::{
        Kernel, Row, Rows, Stores,
        parts::{only, single, workgroups},
        speed,
    },
    ops::{Conv, MaxPool},
    shader::{Fragment, Source, fragment},
};

const SUMS: Fragment = fragment!("quantized/sums.wgsl");
const IMAGES: Fragment = fragment!("quantized/images.wgsl");
const NEIGHBOUR: Fragment = fragment!("conv/neighbour.wgsl");
const TILED: Fragment = fragment!("quantized/tiled.wgsl");
const CONV_TILED: Fragment = fragment!("quantized/conv_tiled.wgsl");
const LINEAR_TILED: Fragment = fragment!("quantized/linear_tiled.wgsl");
const CONV_DIRECT: Fragment = fragment!("quantized/conv_direct.wgsl");
const LINEAR_DIRECT: Fragment = fragment!("quantized/linear_direct.wgsl");
const MAX_POOL: Fragment = fragment!("quantized/max_pool.wgsl");
const REQUANTIZE: Fragment = fragment!("quantized/requantize.wgsl");
const LOGITS: Fragment = fragment!("quantized/logits.wgsl");

impl Rows for QuantizeImages {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "pixel",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |op, _, _| images(op),
    }]];
}

impl Rows for QuantizedConv {
    const ROWS: &[&[Row<Self>]] = &[&[
        Row {
            name: "tiled_64x64",
            stores: Stores::F32,
            requires: &[],
            speed: speed::general,
            build: |op, _, _| conv_tiled(op),
        },
        Row {
            name: "direct",
            stores: Stores::F32,
            requires: &[],
            speed: |op, _| direct_speed(op.conv.pixels()),
            build: |op, _, _| conv_direct(op),
        },
    ]];
}

impl Rows for QuantizedLinear {
    const ROWS: &[&[Row<Self>]] = &[&[
        Row {
            name: "tiled_64x64",
            stores: Stores::F32,
            requires: &[],
            speed: speed::general,
            build: |op, _, _| linear_tiled(op),
        },
        Row {
            name: "direct",
            stores: Stores::F32,
            requires: &[],
            speed: |op, _| direct_speed(op.n),
            build: |op, _, _| linear_direct(op),
        },
    ]];
}

/// The expected speed of the direct rows: products with so few rows that most of a tile is empty prefer them. With more rows tiles are 1.3
/// times as fast even on llvmpipe (measured on `quick`).
fn direct_speed(rows: usize) -> u32 {
    if rows <= 8 { 150 } else { 50 }
}

impl Rows for QuantizedMaxPool {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "vec4",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |op, _, _| max_pool(op),
    }]];
}

fn images(op: &QuantizeImages) -> Kernel {
    let source = Source::new([IMAGES])
        .constant("H", op.source[0])
        .constant("W", op.source[1])
        .constant("C", op.channels)
        .constant("OH", op.output[0])
        .constant("OW", op.output[1])
        .constant("QUADS", padded(op.channels) / 4);
    single(source, op.n * op.output[0] * op.output[1])
}

/// How sums are stored: requantised, or as logits.
fn store(requantize: Option<Requantize>, source: Source) -> Source {
    let Some(requantize) = requantize else { return source.with(LOGITS) };
    let [low, high] = requantize.bounds();
    source.with(REQUANTIZE).float("LOW", low).float("HIGH", high).float("OUTPUT_ZERO", requantize.zero.into())
}

fn conv(op: &QuantizedConv, files: &[Fragment]) -> Source {
    let Conv { h, w, c, k, .. } = op.conv;
    Source::new([&[SUMS, NEIGHBOUR], files].concat())
        .constant("H", h)
        .constant("W", w)
        .constant("C", c / 4)
        .constant("OUT", k)
        // The byte of 0 in each of four channels, as a signed byte like the others.
        .constant("ZEROS", (u32::from(op.zero ^ 128) * 0x0101_0101) as usize)
        .constant("ZERO", op.zero.into())
}

fn conv_direct(op: &QuantizedConv) -> Kernel {
    let (source, k) = (conv(op, &[CONV_DIRECT]), op.conv.k);
    single(store(Some(op.requantize), source), op.conv.pixels() * k / 4)
}

fn conv_tiled(op: &QuantizedConv) -> Kernel {
    let Conv { c, k, .. } = op.conv;
    let extents = [op.conv.pixels(), k / 4, 9 * c / 4];
    tiled(store(Some(op.requantize), conv(op, &[CONV_TILED, TILED])), extents)
}

/// The product of so many rows, quads of outputs and words of a row.
fn tiled(source: Source, [rows, quads, words]: [usize; 3]) -> Kernel {
    let source = source.constant("M", rows).constant("QUADS", quads).constant("K", words);
    only(workgroups("", source, 64, rows.div_ceil(64) * quads.div_ceil(16)))
}

fn linear_tiled(op: &QuantizedLinear) -> Kernel {
    let source =
        Source::new([SUMS, LINEAR_TILED, TILED]).constant("OUT", op.outputs).constant("ZERO", op.zero.into());
    tiled(store(op.requantize, source), [op.n, op.outputs.div_ceil(4), op.inputs / 4])
}

fn linear_direct(op: &QuantizedLinear) -> Kernel {
    let quads = op.outputs.div_ceil(4);
    let source = Source::new([SUMS, LINEAR_DIRECT])
        .constant("IN", op.inputs / 4)
        .constant("OUT", op.outputs)
        .constant("QUADS", quads)
        .constant("ZERO", op.zero.into());
    single(store(op.requantize, source), op.n * quads)
}

fn max_pool(QuantizedMaxPool(pool): &QuantizedMaxPool) -> Kernel {
    let MaxPool { n, h, w, c, kernel, stride } = *pool;
    let [p, q] = pool.output_size();
    let source = Source::new([MAX_POOL])
        .constant("H", h)
        .constant("W", w)
        .constant("C", c / 4)
        .constant("P", p)
        .constant("Q", q)
        .constant("KERNEL", kernel)
        .constant("STRIDE_H", stride[0])
        .constant("STRIDE_W", stride[1]);
    single(source, n * p * q * c / 4)
}
