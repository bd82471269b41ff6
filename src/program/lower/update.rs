//! The end of a training step: gradients are penalised, checked and clipped, parameters updated and averaged.

use std::ops::Range;

use super::{LowerError, Lowering, Phase, Scaling, Tensor, TensorId, Training, label};
use crate::{
    dtype::DType,
    model::{LayerKind, NormParameters, Parameter},
    ops::{
        Accumulate, AccumulateOperands, Average, AverageOperands, ClipGradient, ClipGradientOperands,
        FiniteCheck, FiniteCheckOperands, L1Penalty, L1PenaltyOperands, LossScale, LossScaleUpdate,
        LossScaleUpdateOperands, Rule, RuleOperands, SquareSum, SquareSumOperands,
    },
};

impl<'a> Lowering<'a> {
    pub(super) fn update(&mut self, training: &Training) -> Result<(), LowerError> {
        if training.accumulate {
            self.accumulate()?;
        }
        if training.bn_l1 != 0.0 {
            self.penalize(training.bn_l1);
        }
        self.decide(training.rule)?;
        if let Some(max_norm) = training.clip_grad_norm {
            self.clip(max_norm)?;
        }
        for (index, parameter) in self.trained() {
            let tensors = self.parameters[index].clone();
            // The rest are updated together with their gradient.
            let Some(gradient) = tensors.gradient else { continue };
            let decay = if self.network.is_norm(index) {
                training.norm_weight_decay
            } else if parameter.is_weight() {
                None
            } else {
                training.bias_weight_decay
            };
            let rule = decay.map_or(training.rule, |decay| training.rule.with_weight_decay(decay));
            for (range, len) in self.pieces(parameter, tensors.value)? {
                let operands = RuleOperands {
                    control: self.control(),
                    loss_scale: self.scaling.map(|scaling| self.whole(scaling.state)),
                    gradient: self.items(gradient, len, &range),
                    parameter: self.items(tensors.value, len, &range),
                    state: tensors.state.iter().map(|&t| self.items(t, len, &range)).collect(),
                };
                let sparse = training.sparse && parameter.is_weight();
                let (op, operands) = rule.step(range.len(), sparse, operands);
                self.push(Phase::Update, label(&parameter.name, "update", &range, len), op, operands);
            }
        }
        match training.average {
            Some(decay) => self.average(decay),
            None => Ok(()),
        }
    }

    /// Averages the gradients of several batches; the means take the place of the gradients.
    fn accumulate(&mut self) -> Result<(), LowerError> {
        for (index, parameter) in self.trained() {
            let gradient = self.gradient(index).tensor;
            let name = format!("{}.grad_mean", parameter.name);
            let mean = self.program.add(Tensor { name, ..self.program.tensor(gradient).clone() });
            for (range, len) in self.pieces(parameter, gradient)? {
                let op = Accumulate { len: range.len() };
                let [gradient, mean] = [gradient, mean].map(|t| self.items(t, len, &range));
                let operands = AccumulateOperands { control: self.control(), gradient, mean };
                self.step(Phase::Backward, label(&parameter.name, "accumulate", &range, len), op, operands);
            }
            self.parameters[index].gradient = Some(mean);
        }
        Ok(())
    }

    /// The parameters that are trained, with their indices.
    fn trained(&self) -> impl Iterator<Item = (usize, &'a Parameter)> + use<'a> {
        self.network.parameters.iter().enumerate().filter(|(_, parameter)| parameter.trained())
    }

    /// A parameter split into ranges that can be bound, each with the parameter's total number of elements.
    fn pieces(
        &self,
        parameter: &Parameter,
        tensor: TensorId,
    ) -> Result<Vec<(Range<usize>, usize)>, LowerError> {
        let len = parameter.shape.elements();
        let ranges = self.split(&parameter.name, len, &[tensor])?;
        Ok(ranges.into_iter().map(|range| (range, len)).collect())
    }

    /// Adds an L1 penalty to the gradients of trained gammas of batch norm, while the loss scale is still that of these gradients.
    fn penalize(&mut self, strength: f32) {
        for layer in &self.network.layers {
            let LayerKind::BatchNorm(NormParameters { gamma, .. }) = layer.kind else { continue };
            let parameter = &self.network.parameters[gamma];
            if !parameter.trained() {
                continue;
            }
            let op = L1Penalty { len: parameter.shape.elements(), strength, scaled: self.scaling.is_some() };
            let operands = L1PenaltyOperands {
                loss_scale: self.scaling.map(|scaling| self.whole(scaling.state)),
                parameter: self.whole(self.parameters[gamma].value),
                gradient: self.gradient(gamma),
            };
            self.step(Phase::Update, format!("{}.l1", parameter.name), op, operands);
        }
    }

    /// With loss scaling: checks all gradients and decides whether the step is taken.
    fn decide(&mut self, rule: Rule) -> Result<(), LowerError> {
        let Some(Scaling { state, overflow }) = self.scaling else { return Ok(()) };
        for (index, parameter) in self.trained() {
            let gradient = self.gradient(index).tensor;
            for (range, len) in self.pieces(parameter, gradient)? {
                let op = FiniteCheck { len: range.len() };
                let (gradient, overflow) = (self.items(gradient, len, &range), self.whole(overflow));
                let operands = FiniteCheckOperands { gradient, overflow };
                self.step(Phase::Update, label(&parameter.name, "check", &range, len), op, operands);
            }
        }
        let [beta1, beta2] = rule.betas();
        let op = LossScaleUpdate { beta1, beta2, growth_interval: LossScale::GROWTH_INTERVAL };
        let [overflow, loss_scale] = [overflow, state].map(|t| self.whole(t));
        let operands = LossScaleUpdateOperands { overflow, loss_scale };
        self.step(Phase::Update, "loss_scale.update".into(), op, operands);
        Ok(())
    }

    /// Clips all gradients by their common norm, after the loss scale is known.
    fn clip(&mut self, max_norm: f32) -> Result<(), LowerError> {
        let squares = self.transient("clip.squares".into(), [1].into(), DType::F32);
        let mut accumulate = false;
        for (index, parameter) in self.trained() {
            let gradient = self.gradient(index).tensor;
            for (range, len) in self.pieces(parameter, gradient)? {
                let op = SquareSum { len: range.len(), accumulate };
                let (gradient, squares) = (self.items(gradient, len, &range), self.whole(squares));
                let operands = SquareSumOperands { gradient, squares };
                self.step(Phase::Update, label(&parameter.name, "square_sum", &range, len), op, operands);
                accumulate = true;
            }
        }
        for (index, parameter) in self.trained() {
            let gradient = self.gradient(index).tensor;
            for (range, len) in self.pieces(parameter, gradient)? {
                let op = ClipGradient { len: range.len(), max_norm, scaled: self.scaling.is_some() };
                let operands = ClipGradientOperands {
                    loss_scale: self.scaling.map(|scaling| self.whole(scaling.state)),
                    squares: self.whole(squares),
                    gradient: self.items(gradient, len, &range),
                };
                self.step(Phase::Update, label(&parameter.name, "clip", &range, len), op, operands);
            }
        }
        Ok(())
    }

    /// Updates the averages, including those of running statistics.
    fn average(&mut self, decay: f32) -> Result<(), LowerError> {
        for (index, parameter) in self.network.parameters.iter().enumerate() {
            let value = self.parameters[index].value;
            let Some(average) = self.parameters[index].average else { continue };
            for (range, len) in self.pieces(parameter, value)? {
                let op = Average { len: range.len(), decay };
                let [value, average] = [value, average].map(|t| self.items(t, len, &range));
                let operands = AverageOperands { control: self.control(), value, average };
                self.step(Phase::Update, label(&parameter.name, "average", &range, len), op, operands);
            }
        }
        Ok(())
    }
}
