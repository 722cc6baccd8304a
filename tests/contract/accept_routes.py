"""`python -m tests.contract.accept_routes` accepts the present routes as the public contract."""

from tests.contract.test_routes import GOLDEN, current_lines

if __name__ == "__main__":
    GOLDEN.write_text("\n".join(current_lines()) + "\n")
