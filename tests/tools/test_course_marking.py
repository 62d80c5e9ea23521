"""Each function is marked by itself: right ones pass, and every mistake of the gallery is found."""

from collections import Counter

import pytest

from tools.course import cells, editions, exercise, gallery, marking
from tools.course.tables import COURSES, course

pytestmark = pytest.mark.slow

ALL = [course(name) for name in COURSES]
PAGES = [(c, page) for c in ALL for page in c.pages if any(t.page == page for t in c.tasks)]
MISTAKES = [(c, task, mistake) for c in ALL for task, mistake in gallery.of_course(c)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    for found in ALL:
        editions.package(found, folder / found.name / "probnn")
    return folder


def handed_in(found, page, changed=None):
    """A page with its solutions, but for the cells that are changed: sources by their names."""
    notebook = exercise.exercise(found, page)
    for cell in notebook.cells:
        cell.source = (changed or {}).get(marking.grade_id(cell), cell.source)
    return notebook


@pytest.mark.parametrize("pair", PAGES, ids=lambda pair: pair[1])
def test_solutions_pass_and_stubs_do_not(pair, packages):
    found, page = pair
    solved = handed_in(found, page)
    assert set(marking.mark(found, page, solved, packages / found.name).values()) == {""}
    said = marking.mark(found, page, exercise.cleared(solved), packages / found.name)
    assert all("NotImplementedError" in message for message in said.values())


@pytest.mark.parametrize(
    "case", MISTAKES, ids=lambda case: f"{case[0].name}: {case[2].title}".replace("`", "")
)
def test_a_mistake_of_the_gallery_loses_its_functions_points_and_no_others(case, packages):
    found, task, mistake = case
    wrong = cells.function(task, mistake.wrong).source
    notebook = handed_in(found, task.page, {task.id: wrong})
    said = marking.mark(found, task.page, notebook, packages / found.name)
    assert [name for name, message in said.items() if message] == [task.id], said
    public = exercise.clear(marking.check_of(found, task))
    assert marking.outcome(marking.job_of(found, task, notebook, packages / found.name), public)


def test_the_gallery_has_mistakes_for_every_course():
    made = Counter(found.name for found, _, _ in MISTAKES)
    assert made["autoencoder-2d"] >= 2
    assert made["toronto"] >= 12 and made["cambridge"] >= 11 and made["oslo"] >= 9


# a function by another one of the package, which does the same
BY_ANOTHER = {
    "gradient_descent_step": """
@hand_in("probnn.tsne.updates.gradient_descent_step")
def gradient_descent_step(map_points, P, learning_rate=10.0):
    from probnn.tsne import TsneObjective
    kl = {kl}
    map_points.data -= learning_rate * {slope}
    return kl
""",
    "log_marginal": """
@hand_in("probnn.inference.likelihood.log_marginal")
def log_marginal(loglik, x, q, samples=100, max_rows=1000):
    from probnn.inference import MonteCarlo, log_marginal_ais
    found = log_marginal_ais(loglik, x, q, chains=samples, temperatures=1)
    return MonteCarlo(*found[:3], found.estimate)
""",
}


@pytest.mark.parametrize(
    "kl, slope",
    [
        ("TsneObjective(P).kl(map_points)", "TsneObjective(P).gradient(map_points)"),
        ("0.0", "TsneObjective(P).gradient(map_points, 1.0 + 1e-9)"),
    ],
)
def test_a_step_of_gradient_descent_cannot_be_had_from_the_objective(kl, slope, packages):
    source = BY_ANOTHER["gradient_descent_step"].format(kl=kl, slope=slope)
    oslo, page = course("oslo"), "oslo/3_1_tsne"
    notebook = handed_in(oslo, page, {"gradient_descent_step": source})
    said = marking.mark(oslo, page, notebook, packages / "oslo")
    assert said.pop("gradient_descent_step").startswith("RecursionError")
    assert set(said.values()) == {""}


def test_an_estimate_of_log_p_cannot_be_had_by_annealing_at_one_temperature(packages):
    cambridge, page = course("cambridge"), "cambridge/d_likely_images"
    notebook = handed_in(cambridge, page, {"log_marginal": BY_ANOTHER["log_marginal"]})
    said = marking.mark(cambridge, page, notebook, packages / "cambridge")
    assert "log_marginal_ais is not in this edition" in said["log_marginal"]


@pytest.fixture
def said_of_a_line(packages):
    """What is said of Toronto 3's functions if the line is written for the interpolation."""
    toronto = course("toronto")

    def mark(line, limit=20.0, before=""):
        source = f"{before}\ndef interpolate(z_a, z_b, alpha):\n    {line}"
        notebook = handed_in(toronto, "toronto/3_exploring", {"interpolate": source})
        package = packages / "toronto"
        said = marking.mark(toronto, "toronto/3_exploring", notebook, package, limit)
        assert said["sample_bernoulli"] == ""
        return said["interpolate"]

    return mark


RIGHT = "return alpha * z_a + (1 - alpha) * z_b"


def test_a_usual_mistake_is_named(said_of_a_line):
    said = said_of_a_line("return alpha * z_b + (1 - alpha) * z_a")
    assert said == "a point for each alpha, z_a at 1, expected, the line the other way round got"


def test_an_error_is_told_with_its_line(said_of_a_line):
    said = said_of_a_line("return 1 / 0")
    assert said == "ZeroDivisionError: division by zero, in line 3 of the cell"


def test_a_cell_that_is_no_python_is_told_so(said_of_a_line):
    assert said_of_a_line("return (").startswith("SyntaxError: '(' was never closed")


def test_helpers_and_imports_of_other_cells_are_there(packages):
    toronto = course("toronto")
    uses = {"interpolate": "def interpolate(z_a, z_b, alpha):\n    return mixed(z_a, z_b, alpha)"}
    notebook = handed_in(toronto, "toronto/3_exploring", uses)
    helper = "import operator\n\ndef mixed(a, b, t):\n    return operator.add(t * a, (1 - t) * b)"
    notebook.cells.insert(3, exercise.nbformat.v4.new_code_cell(helper))
    said = marking.mark(toronto, "toronto/3_exploring", notebook, packages / "toronto")
    assert said["interpolate"] == ""


def test_a_function_without_its_decorator_is_marked_all_the_same(packages):
    toronto = course("toronto")
    source = "def sample_bernoulli(logits):\n    return torch.bernoulli(torch.sigmoid(logits))"
    notebook = handed_in(toronto, "toronto/3_exploring", {"sample_bernoulli": source})
    said = marking.mark(toronto, "toronto/3_exploring", notebook, packages / "toronto")
    assert said["sample_bernoulli"] == ""


def test_a_deleted_function_is_missing_and_nothing_else(packages):
    toronto = course("toronto")
    notebook = handed_in(toronto, "toronto/3_exploring")
    notebook.cells = [c for c in notebook.cells if marking.grade_id(c) != "interpolate"]
    said = marking.mark(toronto, "toronto/3_exploring", notebook, packages / "toronto")
    assert said == {"sample_bernoulli": "", "interpolate": "the cell of interpolate is missing"}


def test_an_endless_loop_is_stopped(said_of_a_line):
    said = said_of_a_line("while True: pass", limit=3.0)
    assert said == "no answer within 3 seconds: is there an endless loop?"


def test_a_crash_is_told(said_of_a_line):
    said = said_of_a_line("__import__('os').kill(__import__('os').getpid(), 9)")
    assert said == "its process ended before the check was over (exit code -9)"


def test_leaving_early_is_no_pass(said_of_a_line):
    said = said_of_a_line("__import__('os')._exit(0)")
    assert said == "its process ended before the check was over (exit code 0)"


def test_a_million_lines_are_left_out(said_of_a_line):
    loop = "for _ in range(1_000_000): print('x')\n"
    assert said_of_a_line(RIGHT, before=loop) == ""
    assert "(1,000,000 lines were printed, and left out)" in said_of_a_line("return 0", before=loop)


def test_a_check_overwritten_is_the_right_one_again(said_of_a_line):
    line = "globals()['expect'] = lambda *a, **k: None; return 0"
    assert "expected" in said_of_a_line("return 0", before="expect = lambda *a, **k: None")
    assert "expected" in said_of_a_line(line)


def test_replacing_what_checks_rely_on_is_told(said_of_a_line):
    said = said_of_a_line("return z_a", before="torch.as_tensor = lambda *a: torch.zeros(())")
    assert said == "what was handed in replaces torch.as_tensor, which checks rely on"


@pytest.mark.parametrize(
    "line, what",
    [
        (f"open({str(marking.__file__)!r}).read()", "opens"),
        ("from tools.course.checks import regression", "opens"),
        (f"__import__('os').listdir({str(marking.ROOT)!r})", "looks into"),
        ("__import__('subprocess').run(['ls'])", "starts another program"),
        ("open('/tmp/probnn-was-here', 'w')", "writes to"),
        ("__import__('os').remove('/tmp/probnn-is-not-here')", "changes"),
    ],
)
def test_reaching_for_the_courses_files_is_refused_and_told(line, what, said_of_a_line):
    caught = f"try:\n        {line}\n    except Exception:\n        pass\n    {RIGHT}"
    said = said_of_a_line(caught)
    assert said.startswith(f"what was handed in {what}") and said.endswith("it is not marked")
