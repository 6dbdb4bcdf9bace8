# Made the .npy files beside it, with NumPy 1.24: row r, column c of every table is 5 r + c (plus 1/2 in tables of floats), of
# signed ones less 12. Run in this folder; only to add more.
import numpy as np

base = np.arange(35).reshape(7, 5)
for name, order in (("c", "C"), ("fortran", "F")):
    for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        table = base + (0.5 if code[0] == "f" else 0) - (0 if code[0] == "u" else 12)
        np.save(f"{name}-{code}.npy", np.asarray(table, code, order=order))
np.save("big-endian-f4.npy", (base - 11.5).astype(">f4"))
np.save("big-endian-fortran-i2.npy", np.asarray(base - 12, ">i2", order="F"))
for version in ((1, 0), (2, 0), (3, 0)):
    with open(f"version-{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, (base - 11.5).astype("f4"), version)
np.save("flat.npy", np.arange(7) - 3)
np.save("bool.npy", np.arange(7) % 2 == 0)
np.save("times.npy", np.array(["1969-12-31T23:59:59.999", "2020-09-27", "NaT"], "M8[ms]"))
np.save("days.npy", np.array(["1969-12-31", "2020-09-27"], "M8[D]"))
np.save("empty.npy", np.zeros((0, 5), "f4"))
np.save("no-columns.npy", np.zeros((3, 0), "f4"))
np.save("three.npy", np.zeros((2, 3, 4), "f4"))
np.save("scalar.npy", np.float32(1))
np.save("complex.npy", np.zeros((2, 2), "c8"))
np.save("text.npy", np.array(["a", "bc"]))
np.save("record.npy", np.zeros(2, [("a", "f4"), ("b", "i4")]))
np.save("object.npy", np.array([None, 1], object), allow_pickle=True)
