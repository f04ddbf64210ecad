use eagleray_search::pb2::{Period, Population, Start};
use std::time::Instant;
fn unit(s: &mut u64) -> f64 {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    (*s >> 11) as f64 / (1u64 << 53) as f64
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let noise: f64 = a[1].parse().unwrap();
    let iters: usize = a[2].parse().unwrap();
    let seeds: u64 = a.get(3).map_or(1, |s| s.parse().unwrap());
    let bounds = [(0.0, 1.0), (0.0, 1.0)];
    let mut total = 0.0;
    for seed in 1..=seeds {
        let mut s = 88172645463325252u64.wrapping_mul(seed * 2 + 1);
        let mut h: Vec<Vec<f64>> = (0..10).map(|_| vec![unit(&mut s), unit(&mut s)]).collect();
        let mut r = vec![0.0f64; 10];
        let mut last: Vec<Option<Start>> = vec![None; 10];
        let mut seen = Population::new(bounds.to_vec());
        let mut n = 0;
        let mut number = 0;
        let mut spent = 0.0;
        for t in 1..=iters {
            for i in 0..10 {
                let before = r[i];
                let best = 0.8 - 0.6 * (t as f64 / iters as f64);
                let rate = 1.0 - (h[i][0] - best).powi(2) * 4.0 - (h[i][1] - 0.4).powi(2)
                    + noise * (unit(&mut s) + unit(&mut s) + unit(&mut s) - 1.5);
                r[i] += rate;
                let p = Period {
                    time: t as f64,
                    reward: before,
                    change: r[i] - before,
                    values: h[i].clone(),
                };
                if t > 1 {
                    last[i] = Some(Start {
                        time: p.time,
                        reward: p.reward,
                    });
                    seen.observe(p);
                    n += 1;
                }
            }
            let mut order: Vec<usize> = (0..10).collect();
            order.sort_by(|x, y| r[*x].total_cmp(&r[*y]));
            let mut running = Vec::new();
            let begun = Instant::now();
            for k in 0..3 {
                let (w, b) = (order[k], order[9 - (unit(&mut s) * 3.0) as usize]);
                if let Some(start) = last[b] {
                    let v = seen.explore(&running, start, seed, number).unwrap();
                    number += 1;
                    running.push(v.clone());
                    h[w] = v;
                    r[w] = r[b];
                }
            }
            let ms = begun.elapsed().as_secs_f64() * 1e3;
            spent += ms;
            if t % 10 == 0 && seeds == 1 {
                println!("t {t} n {} perturbation {ms:.1} ms, sum {spent:.0}", n);
            }
        }
        total += r.iter().cloned().fold(f64::MIN, f64::max);
    }
    println!(
        "noise {noise}: best reward {:.3} of {seeds}",
        total / seeds as f64
    );
}
