//! Ruled lines and squares of paper.

use super::components::Mask;

/// The steepest line, in degrees from the picture's axes.
const STEEPEST: f64 = 6.0;

/// Lines are looked for at every such angle, in degrees.
const STEP: f64 = 0.5;

/// The share of the width that a line covers at least, if there are several.
const COVERAGE: f64 = 0.45;

/// The share that a single line covers at least.
const SINGLE: f64 = 0.85;

/// This many lines are several.
const SEVERAL: usize = 3;

/// Erases lines that cross the mask, except where something thicker crosses them.
pub(super) fn erase(mask: &mut Mask) {
    erase_across(mask);
    let mut turned = mask.transposed();
    erase_across(&mut turned);
    *mask = turned.transposed();
}

/// A short run of set pixels `[from, to)` in a column.
#[derive(Clone, Copy)]
struct Run {
    column: usize,
    from: usize,
    to: usize,
}

impl Run {
    fn length(&self) -> usize {
        self.to - self.from
    }

    /// Where a line of this slope through its middle meets column 0.
    fn start(&self, slope: f64) -> f64 {
        (self.from + self.to) as f64 / 2.0 - slope * self.column as f64
    }
}

fn erase_across(mask: &mut Mask) {
    let (width, height) = (mask.width, mask.height);
    let runs = short_runs(mask, 3 + (width * height).isqrt() / 160);
    let least = ((COVERAGE * width as f64) as usize).max(2);
    if runs.len() < least {
        return;
    }
    let mut free = vec![true; runs.len()];
    let mut lines: Vec<Vec<Run>> = Vec::new();
    for (slope, start) in candidates(&runs, width, height, least) {
        let on_line = |&i: &usize| (runs[i].start(slope) - start).abs() <= 1.5;
        let line: Vec<usize> = (0..runs.len()).filter(|&i| free[i]).filter(on_line).collect();
        if line.len() >= least {
            line.iter().for_each(|&i| free[i] = false);
            lines.push(line.into_iter().map(|i| runs[i]).collect());
        }
    }
    let several = lines.len() >= SEVERAL;
    for line in lines {
        if !several && line.len() < (SINGLE * width as f64) as usize {
            continue;
        }
        let mut lengths: Vec<usize> = line.iter().map(Run::length).collect();
        let middle = lengths.len() / 2;
        let usual = *lengths.select_nth_unstable(middle).1;
        for run in line.into_iter().filter(|run| 2 * run.length() <= 3 * usual + 2) {
            (run.from..run.to).for_each(|y| mask.bits[y * width + run.column] = false);
        }
    }
}

/// Slopes and starts of the lines that at least `least` runs vote for (Hough's transform), the longest first.
fn candidates(runs: &[Run], width: usize, height: usize, least: usize) -> Vec<(f64, f64)> {
    let steps = (STEEPEST / STEP) as i32;
    // A start may lie this far outside the picture.
    let outside = (STEEPEST.to_radians().tan() * width as f64).ceil() + 1.0;
    let mut found = Vec::new();
    for step in -steps..=steps {
        let slope = (f64::from(step) * STEP).to_radians().tan();
        let mut votes = vec![0usize; height + 2 * outside as usize + 2];
        for run in runs {
            let at = (run.start(slope) + outside) as usize;
            votes[at] += 1;
            votes[at + 1] += 1;
        }
        let best = votes.iter().enumerate().filter(|(_, count)| **count >= least);
        found.extend(best.map(|(at, &count)| (count, slope, at as f64 - outside)));
    }
    found.sort_by_key(|&(count, ..)| std::cmp::Reverse(count));
    found.into_iter().map(|(_, slope, start)| (slope, start)).collect()
}

/// The runs of at most `longest` pixels in the columns of a mask.
fn short_runs(mask: &Mask, longest: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut starts = vec![None; mask.width];
    for y in 0..=mask.height {
        for (column, start) in starts.iter_mut().enumerate() {
            let set = y < mask.height && mask.bits[y * mask.width + column];
            match *start {
                None if set => *start = Some(y),
                Some(from) if !set => {
                    *start = None;
                    if y - from <= longest {
                        runs.push(Run { column, from, to: y });
                    }
                }
                _ => {}
            }
        }
    }
    runs
}
