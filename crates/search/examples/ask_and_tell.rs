//! A search by standard input and output, for benchmarks in other languages: it writes a line with the values to try, reads one with
//! what came of them, the less the better, and goes on until there is no more to read.
//!
//!     cargo run --release -p eagleray-search --example ask_and_tell -- gp 5 -5 5 1
//!
//! with the algorithm, the number of floats, their ends, and the seed. `bbob.py` compares algorithms with it.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use eagleray_search::cma::{Cma, CmaOptions};
use eagleray_search::domain::Domain;
use eagleray_search::gp::{Gp, GpOptions};
use eagleray_search::history::{History, Outcome};
use eagleray_search::random_search::RandomSearch;
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::{Parameter, Space};
use eagleray_search::tpe::{Tpe, TpeOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [algorithm, dimensions, low, high, seed] = arguments.as_slice() else {
        return Err(
            "give an algorithm, the number of floats, their least and greatest value, and a seed"
                .into(),
        );
    };
    let seed = seed.parse()?;
    let domain = Domain::Float {
        low: low.parse()?,
        high: high.parse()?,
        is_log: false,
    };
    let parameter = Parameter {
        domain,
        condition: None,
    };
    let space = Arc::new(Space::new(vec![parameter; dimensions.parse()?])?);
    let mut searcher: Box<dyn Searcher> = match algorithm.as_str() {
        "gp" => Box::new(Gp::new(GpOptions::default(), seed)),
        "tpe" => Box::new(Tpe::new(TpeOptions::new(1), seed)),
        "cma" => Box::new(Cma::new(&space, CmaOptions::default(), seed)),
        "random" => Box::new(RandomSearch::new(seed)),
        other => return Err(format!("{other} is none of gp, tpe, cma, random").into()),
    };
    let mut history = History::new(space);
    let mut told = io::stdin().lock().lines();
    let mut asked = io::stdout().lock();
    for number in 0.. {
        let Proposal::Values(values) = searcher.ask(number, &history) else {
            return Ok(());
        };
        let words: Vec<String> = values.iter().map(f64::to_string).collect();
        writeln!(asked, "{}", words.join(" "))?;
        asked.flush()?;
        let Some(line) = told.next() else {
            return Ok(());
        };
        history.begin(number, values);
        history.end(number, Outcome::complete(vec![line?.trim().parse()?]));
    }
    Ok(())
}
