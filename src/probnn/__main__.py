"""`python -m probnn` checks the data files and repairs what it can."""

from probnn.data.files import DataError, repair_mnist
from probnn.data.tables import load_surnames, load_xkcd
from probnn.runtime.settings import data_folder

if __name__ == "__main__":
    try:
        for path in repair_mnist():
            print(f"{path}: damaged, unpacked again")
        load_xkcd()
        load_surnames("all")
        print(f"{data_folder()}: all data sets are complete")
    except DataError as error:
        raise SystemExit(str(error)) from None
