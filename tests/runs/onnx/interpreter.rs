//! Reads and runs ONNX files in f64, independently of the program: a decoder of protobuf and the operators that a VGG
//! has, each by its definition on onnx.ai.

use std::collections::BTreeMap;

/// Extents and values, row-major.
#[derive(Clone, Debug, Default)]
pub struct Tensor {
    pub dims: Vec<usize>,
    pub values: Vec<f64>,
    /// Whether they are signed bytes.
    pub signed: bool,
}

impl Tensor {
    /// Floats.
    pub fn new(dims: Vec<usize>, values: Vec<f64>) -> Self {
        Self { dims, values, signed: false }
    }

    /// The value of a single one.
    fn scalar(&self) -> f64 {
        assert!(self.dims.is_empty());
        self.values[0]
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self::new(self.dims.clone(), self.values.iter().map(|&x| f(x)).collect())
    }

    /// Elementwise with another of its shape, or with a scalar.
    fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let channels = self.dims.len() == 4 && other.dims == [self.dims[1], 1, 1];
        assert!(other.dims == self.dims || other.dims.is_empty() || channels);
        let each = if channels { self.dims[2] * self.dims[3] } else { 1 };
        let others = other.values.iter().flat_map(|v| std::iter::repeat_n(v, each)).cycle();
        let values = self.values.iter().zip(others).map(|(&a, &b)| f(a, b)).collect();
        Self::new(self.dims.clone(), values)
    }
}

/// A protobuf field.
enum Field<'a> {
    Int(u64),
    Bytes(&'a [u8]),
    Float(f32),
}

impl<'a> Field<'a> {
    fn int(&self) -> u64 {
        if let Self::Int(value) = self { *value } else { panic!("not an integer") }
    }

    fn bytes(&self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { panic!("not bytes") }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Int(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (field, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(field)
            }
            5 => {
                let (field, rest) = bytes.split_at(4);
                bytes = rest;
                Field::Float(f32::from_le_bytes(field.try_into().unwrap()))
            }
            wire => panic!("wire type {wire}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn all(bytes: &[u8], number: u64) -> Vec<Field<'_>> {
    fields(bytes).into_iter().filter(|(n, _)| *n == number).map(|(_, field)| field).collect()
}

fn one(bytes: &[u8], number: u64) -> Field<'_> {
    all(bytes, number).pop().unwrap_or_else(|| panic!("no field {number}"))
}

#[derive(Debug)]
pub struct Node {
    pub op: String,
    inputs: Vec<String>,
    output: String,
    ints: BTreeMap<String, Vec<usize>>,
    floats: BTreeMap<String, f32>,
}

/// A file.
#[derive(Debug)]
pub struct Model {
    pub opset: u64,
    pub metadata: BTreeMap<String, String>,
    /// Name and extents; a free extent is its name.
    pub input: (String, Vec<String>),
    pub output: (String, Vec<String>),
    pub nodes: Vec<Node>,
    pub tensors: BTreeMap<String, Tensor>,
}

impl Model {
    pub fn read(bytes: &[u8]) -> Self {
        let graph = one(bytes, 7).bytes();
        let value = |number| {
            let value = one(graph, number).bytes();
            let tensor = one(one(value, 2).bytes(), 1).bytes();
            assert!([1, 2].contains(&one(tensor, 1).int()), "f32 or u8");
            let dims = all(one(tensor, 2).bytes(), 1);
            let dim = |d: &Field<'_>| match fields(d.bytes()).pop().unwrap() {
                (1, extent) => extent.int().to_string(),
                (_, name) => name.text(),
            };
            (one(value, 1).text(), dims.iter().map(dim).collect())
        };
        let metadata = all(bytes, 14);
        let metadata =
            metadata.iter().map(|p| (one(p.bytes(), 1).text(), one(p.bytes(), 2).text())).collect();
        let tensors = all(graph, 5);
        Self {
            opset: one(one(bytes, 8).bytes(), 2).int(),
            metadata,
            input: value(11),
            output: value(12),
            nodes: all(graph, 1).iter().map(|node| Node::read(node.bytes())).collect(),
            tensors: tensors.iter().map(|tensor| read_tensor(tensor.bytes())).collect(),
        }
    }

    /// The output for an input.
    pub fn run(&self, input: Tensor) -> Tensor {
        let mut values = self.tensors.clone();
        values.insert(self.input.0.clone(), input);
        for node in &self.nodes {
            let arguments: Vec<&Tensor> = node
                .inputs
                .iter()
                .map(|name| values.get(name).unwrap_or_else(|| panic!("{name} is not there yet")))
                .collect();
            let output = node.run(&arguments);
            assert!(values.insert(node.output.clone(), output).is_none(), "{} is written twice", node.output);
        }
        values[&self.output.0].clone()
    }
}

fn read_tensor(bytes: &[u8]) -> (String, Tensor) {
    let dims: Vec<usize> = all(bytes, 1).iter().map(|d| d.int() as usize).collect();
    let (data, kind) = (one(bytes, 9).bytes(), one(bytes, 2).int());
    let words = data.as_chunks::<4>().0.iter();
    let values: Vec<f64> = match kind {
        1 => words.map(|word| f32::from_le_bytes(*word).into()).collect(),
        2 => data.iter().map(|&byte| byte.into()).collect(),
        3 => data.iter().map(|&byte| (byte as i8).into()).collect(),
        6 => words.map(|word| i32::from_le_bytes(*word).into()).collect(),
        kind => panic!("a tensor of type {kind}"),
    };
    assert_eq!(values.len(), dims.iter().product::<usize>());
    (one(bytes, 8).text(), Tensor { dims, values, signed: kind == 3 })
}

impl Node {
    fn read(bytes: &[u8]) -> Self {
        let texts = |number| all(bytes, number).iter().map(Field::text).collect::<Vec<_>>();
        let (mut ints, mut floats) = (BTreeMap::new(), BTreeMap::new());
        for attribute in all(bytes, 5) {
            let attribute = attribute.bytes();
            let name = one(attribute, 1).text();
            let whole = |number| all(attribute, number).iter().map(|v| v.int() as usize).collect::<Vec<_>>();
            match one(attribute, 20).int() {
                1 => {
                    let Field::Float(value) = one(attribute, 2) else { panic!("{name} is not a float") };
                    floats.insert(name, value);
                }
                2 => {
                    ints.insert(name, whole(3));
                }
                7 => {
                    ints.insert(name, whole(8));
                }
                kind => panic!("{name} is of type {kind}"),
            }
        }
        let [output] = texts(2).try_into().unwrap();
        Self { op: one(bytes, 4).text(), inputs: texts(1), output, ints, floats }
    }

    fn run(&self, inputs: &[&Tensor]) -> Tensor {
        let (x, dims) = (inputs[0], inputs[0].dims.as_slice());
        match self.op.as_str() {
            "Conv" => self.conv(x, inputs[1], inputs[2]),
            "BatchNormalization" => {
                let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(|i| &inputs[i].values);
                let (eps, pixels) = (f64::from(self.floats["epsilon"]), dims[2] * dims[3]);
                let norm = |(i, &x): (usize, &f64)| {
                    let c = i / pixels % dims[1];
                    (x - mean[c]) / (variance[c] + eps).sqrt() * gamma[c] + beta[c]
                };
                Tensor::new(dims.to_vec(), x.values.iter().enumerate().map(norm).collect())
            }
            "GroupNormalization" => {
                let [groups] = self.ints["num_groups"][..] else { panic!("one number") };
                let set = dims[1..].iter().product::<usize>() / groups;
                let pixels = dims[2] * dims[3];
                let channel = |i: usize| i / pixels % dims[1];
                self.normalized(x, set, inputs, channel)
            }
            "LayerNormalization" => {
                assert!(!self.ints.contains_key("axis"), "the last axis is the default");
                let channels = dims[dims.len() - 1];
                self.normalized(x, channels, inputs, |i| i % channels)
            }
            "Transpose" => {
                let perm: Vec<usize> = self.ints["perm"].to_vec();
                let to: Vec<usize> = perm.iter().map(|&axis| dims[axis]).collect();
                let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
                let from = |mut i: usize| {
                    let places = to.iter().zip(&perm).rev().map(|(extent, &axis)| {
                        let place = i % extent * stride(axis);
                        i /= extent;
                        place
                    });
                    x.values[places.sum::<usize>()]
                };
                Tensor::new(to.clone(), (0..x.values.len()).map(from).collect())
            }
            "Relu" => x.map(|x| x.max(0.0)),
            "LeakyRelu" => {
                let alpha = f64::from(self.floats["alpha"]);
                x.map(|x| if x > 0.0 { x } else { alpha * x })
            }
            "Celu" => {
                let alpha = f64::from(self.floats["alpha"]);
                x.map(|x| if x > 0.0 { x } else { alpha * (x / alpha).exp_m1() })
            }
            "Erf" => x.map(libm::erf),
            "Sigmoid" => x.map(|x| 1.0 / (1.0 + (-x).exp())),
            "Sub" => x.zip(inputs[1], |a, b| a - b),
            "Div" => x.zip(inputs[1], |a, b| a / b),
            "Cast" => {
                assert_eq!(self.ints["to"], [1], "to f32");
                x.clone()
            }
            "QuantizeLinear" => {
                let ([scale, zero], signed) = ([1, 2].map(|at| inputs[at].scalar()), inputs[2].signed);
                let [low, high] = if signed { [-128.0, 127.0] } else { [0.0, 255.0] };
                let bytes = x.map(|x| ((x / scale).round_ties_even() + zero).clamp(low, high));
                Tensor { signed, ..bytes }
            }
            "DequantizeLinear" => {
                let (scales, zeros) = (&inputs[1].values, &inputs[2].values);
                // Along the first axis, or for all values.
                assert!(inputs[1].dims.is_empty() || self.ints["axis"] == [0]);
                let each = x.values.len() / scales.len();
                let real = |(i, &x): (usize, &f64)| (x - zeros[i / each]) * scales[i / each];
                Tensor::new(dims.to_vec(), x.values.iter().enumerate().map(real).collect())
            }
            "Softmax" => {
                assert_eq!(self.ints["axis"], [1]);
                let softmax = |row: &[f64]| {
                    let sum: f64 = row.iter().map(|v| v.exp()).sum();
                    row.iter().map(|v| v.exp() / sum).collect::<Vec<_>>()
                };
                Tensor::new(dims.to_vec(), x.values.chunks_exact(dims[1]).flat_map(softmax).collect())
            }
            "Mul" => x.zip(inputs[1], |a, b| a * b),
            "Add" => x.zip(inputs[1], |a, b| a + b),
            "MaxPool" => self.max_pool(x),
            "MatMul" => matmul(x, inputs[1]),
            "Flatten" => {
                assert_eq!(self.ints["axis"], [1]);
                Tensor::new(vec![dims[0], dims[1..].iter().product()], x.values.clone())
            }
            "Gemm" => {
                assert_eq!(self.ints["transB"], [1]);
                let (weight, bias) = (inputs[1], inputs[2]);
                let [outputs, features] = weight.dims[..] else { panic!("a matrix") };
                assert_eq!(dims, [dims[0], features]);
                let dot = |row: &[f64], k: usize| {
                    let weights = &weight.values[k * features..][..features];
                    row.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>() + bias.values[k]
                };
                let rows = x.values.chunks_exact(features);
                let values = rows.flat_map(|row| (0..outputs).map(move |k| dot(row, k))).collect();
                Tensor::new(vec![dims[0], outputs], values)
            }
            other => panic!("{other} is not what a VGG needs"),
        }
    }

    /// Sets of adjacent values, each normalised by itself, with a scale and a bias for each channel.
    fn normalized(
        &self,
        x: &Tensor,
        set: usize,
        inputs: &[&Tensor],
        channel: impl Fn(usize) -> usize,
    ) -> Tensor {
        let eps = f64::from(self.floats["epsilon"]);
        let values = x.values.chunks_exact(set).enumerate().flat_map(|(at, values)| {
            let mean = values.iter().sum::<f64>() / set as f64;
            let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / set as f64;
            let channel = &channel;
            values.iter().enumerate().map(move |(i, x)| {
                let c = channel(at * set + i);
                (x - mean) / (variance + eps).sqrt() * inputs[1].values[c] + inputs[2].values[c]
            })
        });
        Tensor::new(x.dims.clone(), values.collect())
    }

    fn conv(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
        assert_eq!(
            (&self.ints["kernel_shape"][..], &self.ints["pads"][..]),
            (&[3, 3][..], &[1, 1, 1, 1][..])
        );
        let [n, c, h, w] = x.dims[..] else { panic!("images") };
        let k = weight.dims[0];
        assert_eq!((&weight.dims[..], bias.values.len()), (&[k, c, 3, 3][..], k));
        let mut values = vec![0.0; n * k * h * w];
        for (plane, output) in values.chunks_exact_mut(h * w).enumerate() {
            let (image, k) = (plane / k, plane % k);
            output.fill(bias.values[k]);
            for ci in 0..c {
                let input = &x.values[(image * c + ci) * h * w..][..h * w];
                for tap in 0..9 {
                    let factor = weight.values[(k * c + ci) * 9 + tap];
                    for row in 0..h {
                        let Some(from) = (row + tap / 3).checked_sub(1).filter(|&from| from < h) else {
                            continue;
                        };
                        for column in 0..w {
                            let from_column = (column + tap % 3).wrapping_sub(1);
                            if from_column < w {
                                output[row * w + column] += factor * input[from * w + from_column];
                            }
                        }
                    }
                }
            }
        }
        Tensor::new(vec![n, k, h, w], values)
    }

    fn max_pool(&self, x: &Tensor) -> Tensor {
        let ([kh, kw], [sh, sw]) = (self.pair("kernel_shape"), self.pair("strides"));
        let [n, c, h, w] = x.dims[..] else { panic!("images") };
        let (p, q) = ((h - kh) / sh + 1, (w - kw) / sw + 1);
        let mut values = Vec::with_capacity(n * c * p * q);
        for input in x.values.chunks_exact(h * w) {
            for at in 0..p * q {
                let corner = at / q * sh * w + at % q * sw;
                let window = (0..kh * kw).map(|tap| input[corner + tap / kw * w + tap % kw]);
                values.push(window.fold(f64::NEG_INFINITY, f64::max));
            }
        }
        Tensor::new(vec![n, c, p, q], values)
    }

    fn pair(&self, name: &str) -> [usize; 2] {
        self.ints[name].as_slice().try_into().unwrap()
    }
}

/// One side is a matrix, and the other may be many: `[.., rows, inner] x [.., inner, columns]`.
fn matmul(a: &Tensor, b: &Tensor) -> Tensor {
    let last = |t: &Tensor| {
        let [.., rows, columns] = t.dims[..] else { panic!("matrices") };
        (rows, columns)
    };
    let ((rows, inner), (same, columns)) = (last(a), last(b));
    assert_eq!(inner, same);
    let many = if a.dims.len() > 2 { a } else { b };
    let outer = &many.dims[..many.dims.len() - 2];
    let part = |t: &Tensor, index: usize, len: usize| if t.dims.len() > 2 { index * len } else { 0 };
    let mut values = Vec::new();
    for index in 0..outer.iter().product::<usize>() {
        let a = &a.values[part(a, index, rows * inner)..][..rows * inner];
        let b = &b.values[part(b, index, inner * columns)..][..inner * columns];
        for at in 0..rows * columns {
            let (row, column) = (at / columns, at % columns);
            values.push((0..inner).map(|i| a[row * inner + i] * b[i * columns + column]).sum());
        }
    }
    Tensor::new([outer, &[rows, columns]].concat(), values)
}
