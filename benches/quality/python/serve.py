"""Problems and references for a program in another language: a line of JSON in, a line of JSON out.

A line in is a list: the name of a call below, and its arguments. A line out is `{"result": …}`, or `{"error": …}` with what went wrong.
One search on a problem at a time: `open`, `evaluate` for each trial, `close`.
"""

import json
import sys
import traceback

from scipy.stats import mannwhitneyu

from problems import Table, open_problem
from references import REFERENCES, importances


class Server:
    def __init__(self):
        self.problem = None

    def tables(self):
        return Table.names()

    def open(self, name):
        self.problem = open_problem(name)
        return {"parameters": self.problem.parameters, "directions": self.problem.directions}

    def evaluate(self, values):
        return {"results": self.problem.evaluate(values), "isSolved": self.problem.is_solved}

    def close(self):
        measures = self.problem.measures()
        self.problem = None
        return measures

    def reference(self, name, problem, seed, trials):
        opened = open_problem(problem)
        REFERENCES[name](opened, seed, trials)
        return opened.measures()

    def expected_of_random(self, problem, trials):
        return open_problem(problem).expected_of_random(trials)

    def importances(self, parameters, rows, seeds):
        return importances(parameters, rows, seeds)

    def rank_sum(self, own, others, alternative):
        """How likely such ranks are if neither is better: own values are `greater`, or `less`."""
        return float(mannwhitneyu(own, others, alternative=alternative).pvalue)


def main():
    server = Server()
    # What a library prints is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            call, *arguments = json.loads(line)
            answer = {"result": getattr(server, call)(*arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


main()
