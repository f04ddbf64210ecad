//! What trials have tried, as the estimator needs it: by parameter, and in the order of the values.

use crate::history::History;
use crate::space::ParameterIndex;

/// The values of some trials, by parameter: each trial is looked up once.
pub(super) fn columns(
    history: &History,
    parameters: &[ParameterIndex],
    trials: &[usize],
) -> Vec<Vec<f64>> {
    // With room for the prior.
    let column = |_| Vec::with_capacity(trials.len() + 1);
    let mut columns: Vec<Vec<f64>> = parameters.iter().map(column).collect();
    for place in trials {
        let values = &history.trials()[*place].values;
        for (column, parameter) in columns.iter_mut().zip(parameters) {
            column.push(values[*parameter]);
        }
    }
    columns
}

/// How to find the order of kernels by their value.
pub(super) enum Order {
    /// The history has it: by place in it, the kernel.
    Kept(Vec<Option<u32>>),
    /// There are too few of them to look for them among all trials.
    Sorted,
}

impl Order {
    pub(super) fn new(history: &History, trials: &[usize]) -> Self {
        let all = history.trials().len();
        let comparisons = trials.len() * (trials.len() + 1).ilog2() as usize;
        if comparisons < all {
            return Self::Sorted;
        }
        let mut kernel_of = vec![None; all];
        for (kernel, place) in (0..).zip(trials) {
            kernel_of[*place] = Some(kernel);
        }
        Self::Kept(kernel_of)
    }

    /// Kernels by their value, equal ones by the number of their trial, which is the order in which they are counted.
    pub(super) fn of(
        &self,
        history: &History,
        parameter: ParameterIndex,
        values: &[f64],
    ) -> Vec<u32> {
        match self {
            Self::Kept(kernel_of) => history
                .by_value(parameter)
                .filter_map(|place| kernel_of[place])
                .collect(),
            Self::Sorted => {
                let mut sorted: Vec<u32> = (0..values.len() as u32).collect();
                sorted.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
                sorted
            }
        }
    }
}
