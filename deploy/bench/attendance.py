"""Chronic absence of a large district from daily attendance: Flashlight beside DuckDB and pandas.

One run, same Parquet files, same answers: students chronically absent by school x grade x every family,
from 180 daily rows per student. The files are the node's own store, once sorted by student (as the node
writes them) and once by date. Each program is a process of its own with two threads; what is printed is
its wall time and its peak memory, median of the repeats.

    cargo build --release --bin flashlight-node
    python3 -m pip install duckdb pandas pyarrow
    python3 deploy/bench/attendance.py --node target/release/flashlight-node --work /tmp/attendance

Needs about 3 GB of disk and, for pandas, 16 GB of memory (--skip-pandas leaves it out).
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

FAMILIES = ["sex", "race_ethnicity", "el", "swd", "sed", "homeless", "foster"]
DAYS = 180

GENERATE = """
import duckdb, sys
n, out = int(sys.argv[1]), sys.argv[2]
c = duckdb.connect(); c.execute("set threads=2; set memory_limit='6GB'")
c.execute(f'''create table s as select printf('%010d', 1000000000 + i) student_id, i,
  printf('%07d', 100000 + (hash(i * 7 + 1) % greatest({n} // 700, 1))::int) school_id,
  printf('%02d', 1 + (hash(i * 13) % 8)::int) grade, hash(i * 3) % 2 = 0 f,
  (hash(i * 5 + 2) % 100)::int r, (hash(i * 11 + 3) % 1000)::int z, (hash(i * 17) % 1000) / 1000.0 p
  from range({n}) t(i)''')
c.execute(f'''copy (select student_id, 2024::smallint school_year, school_id, grade,
  date '2023-08-14' entry_date, case when f then 'F' else 'M' end sex,
  case when r < 55 then 'Hispanic' when r < 76 then 'White' when r < 86 then 'Asian'
       when r < 91 then 'Black' when r < 95 then 'Multiple' when r < 97 then 'Filipino'
       when r < 98 then 'AmIndian' else 'Missing' end race_ethnicity,
  z % 5 = 0 el, z % 7 = 0 swd, z % 10 < 6 sed, z % 25 = 0 homeless, z % 200 = 0 foster
  from s order by i) to '{out}/enrollments.parquet' (format parquet, compression zstd)''')
c.execute('''create table d as
  select date '2023-08-14' + (k + (k // 5) * 2)::int as date, k from range(180) t(k)''')
c.execute(f'''copy (select student_id, school_id, date,
  case when u < 0.045 * (0.3 + 3 * p * p * p) then 'absent_excused'
       when u < 0.075 * (0.3 + 3 * p * p * p) then 'absent_unexcused'
       when u < 0.002 + 0.075 * (0.3 + 3 * p * p * p) then 'partial'
       when u > 0.985 then 'tardy' else 'present' end category,
  case when u >= 0.075 * (0.3 + 3 * p * p * p) and u < 0.002 + 0.075 * (0.3 + 3 * p * p * p)
       then 0.5 else null end::float fraction_absent
  from (select s.student_id, s.school_id, s.p, d.date,
               (hash(s.i * 180 + d.k) % 1000000) / 1000000.0 u from s cross join d))
  to '{out}/attendance_daily.parquet' (format parquet, compression zstd)''')
"""

BY_DATE = """
import duckdb, os, sys
path, work = sys.argv[1], sys.argv[2]
c = duckdb.connect(); c.execute(f"set threads=2; set memory_limit='8GB'; set temp_directory='{work}'")
c.execute(f"copy (select * from '{path}' order by date, student) to '{path}.new' "
          "(format parquet, compression zstd)")
os.replace(path + ".new", path)
"""

DUCKDB = """
import duckdb, json, sys
daily, enrolled = sys.argv[1], sys.argv[2]
families = %r
c = duckdb.connect(); c.execute("set threads=2")
sets = ", ".join(["(school, grade)"] + [f"(school, grade, {f})" for f in families])
rows = c.execute(f'''
with days as (select student, school, count(*) * 100 expected, sum(absent) absent
              from '{daily}' group by student, school),
     joined as (select e.student_id, e.school_id school, e.grade, {", ".join("coalesce(e." + f + "::varchar, 'unknown') " + f for f in families)},
                     sum(d.expected) over (partition by e.student_id) expected,
                     sum(d.absent) over (partition by e.student_id) absent
              from '{enrolled}' e join days d on d.student = e.student_id and d.school = e.school_id)
select school, grade, {", ".join("case when grouping(" + f + ") = 0 then " + f + " end" for f in families)},
       count(*) filter (where 10 * absent >= expected), count(*)
from joined where expected > 3000 group by grouping sets ({sets})''').fetchall()
total = [sum(r[-2] for r in rows if all(v is None for v in r[2:-2])),
         sum(r[-1] for r in rows if all(v is None for v in r[2:-2]))]
print(json.dumps({"cells": len(rows), "chronic": total[0], "students": total[1]}))
""" % (FAMILIES,)

PANDAS = """
import json, sys
import pandas as pd
daily, enrolled = sys.argv[1], sys.argv[2]
families = %r
d = pd.read_parquet(daily, columns=["student", "school", "absent"])
d = d.groupby(["student", "school"], observed=True, sort=False)["absent"].agg(["size", "sum"]).reset_index()
e = pd.read_parquet(enrolled, columns=["student_id", "school_id", "grade"] + families)
e = e.rename(columns={"student_id": "student", "school_id": "school"})
e = e.merge(d, on=["student", "school"])
e = e[e["size"] > 30]
e["chronic"] = 10 * e["sum"].astype("int64") >= 100 * e["size"].astype("int64")
cells = 0
for keys in [[]] + [[f] for f in families]:
    g = e.groupby(["school", "grade"] + keys, observed=True, dropna=False)["chronic"].agg(["sum", "size"])
    cells += len(g)
    if not keys:
        total = [int(g["sum"].sum()), int(g["size"].sum())]
print(json.dumps({"cells": cells, "chronic": total[0], "students": total[1]}))
""" % (FAMILIES,)


def timed(command, repeats):
    """Runs a command; median wall seconds, median peak MB, its last output."""
    seconds, memory, out = [], [], ""
    for _ in range(repeats):
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"failed: {' '.join(map(str, command[:3]))}")
        seconds.append(time.monotonic() - begin)
        memory.append(usage.ru_maxrss / 1e3)
    return statistics.median(seconds), statistics.median(memory), out


def answer(out):
    """Chronic and eligible students over all schools and grades, from the node's JSON lines."""
    rows = json.loads(out)["results"]
    cells = [row for row in rows if row.get("school") and row.get("grade")]
    whole = [row for row in cells if not row.get("family")]
    return {"cells": len(cells), "chronic": sum(r["num"] for r in whole), "students": sum(r["n"] for r in whole)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--node", required=True, type=pathlib.Path)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--students", type=int, default=600_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--skip-pandas", action="store_true")
    args = parser.parse_args()
    folder, python = args.work / "district", sys.executable
    if not (folder / "attendance_daily.parquet").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([python, "-c", GENERATE, str(args.students), str(folder)], check=True)
    home = args.work / "by-student"
    if not home.exists():
        seconds, memory, _ = timed([args.node, "load", folder, "--dir", home], 1)
        print(f"load: {args.students * DAYS:,} daily rows in {seconds:.1f} s, {memory:.0f} MB")
    other = args.work / "by-date"
    if not other.exists():
        shutil.copytree(home, other, copy_function=shutil.copy)
        subprocess.run([python, "-c", BY_DATE, str(files(other)[0]), str(args.work)], check=True)
    print(f"{'':12}{'':12}{'seconds':>9}{'MB':>8}   chronic of eligible")
    for order, home in (("by student", home), ("by date", other)):
        daily, enrolled = map(str, files(home))
        by = "school,grade," + ",".join(FAMILIES)
        node = [args.node, "local", "--dir", home, "--indicator", "chronic_absenteeism:dataquest",
                "--by", "school,grade,families", "--json"]
        runs = [("flashlight", node, answer),
                ("duckdb", [python, "-c", DUCKDB, daily, enrolled], json.loads)]
        if not args.skip_pandas:
            runs.append(("pandas", [python, "-c", PANDAS, daily, enrolled], json.loads))
        seen = []
        for name, command, read in runs:
            repeats = 1 if name == "pandas" else args.repeats
            seconds, memory, out = timed(command, repeats)
            found = read(out)
            seen.append(found)
            print(f"{order:12}{name:12}{seconds:9.2f}{memory:8.0f}   {found['chronic']:,} of {found['students']:,}"
                  f" in {found['cells']:,} cells")
        if any(one["chronic"] != seen[0]["chronic"] or one["students"] != seen[0]["students"] for one in seen):
            sys.exit("the answers differ")


def files(home):
    """The daily attendance and the enrolments of the store's generation in force."""
    generation = home / "records" / (home / "records" / "CURRENT").read_text().strip()
    return generation / "attendance_daily-2024.parquet", generation / "enrollments-2024.parquet"


if __name__ == "__main__":
    main()
