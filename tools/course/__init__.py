"""The course: a student edition, an instructor edition, and a course for nbgrader."""
