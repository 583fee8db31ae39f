#!/usr/bin/env bash
# Compares methods twice: live on the bundled reasoner, and on recorded samples of it. Offline.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-out}
mkdir -p "$out"
rm -f "$out"/demo-*

methods=(
  --method simple
  --method greedy
  --method 'self-consistency(n=8)'
  --method 'ffs(n=8)'
  --method 'ffs(n=8, k=4)'
  --method 'esc(window=4, max_samples=8)'
  --method 'adaptive-consistency(max_samples=8)'
  --method 'deepconf-online(variant=high, warm_up=4, max_samples=8, window=16)'
)

# greedy decoding was not recorded
recorded=("${methods[@]/greedy/best-of-n(n=8, verifier=oracle)}")

echo "== Live: word problems, on the bundled reasoner in an embedded llama.cpp"
ttscale bench run --model 'tiny?slots=16' --task 'lab:word?level=3' --n 20 --concurrency 4 \
  "${methods[@]}" --out "$out/demo-live.db"

echo
echo "== Recorded: the same kind of problems, 16 samples each, replayed in token time"
ttscale bench run --model replay:examples/pool/lab-word.db "${recorded[@]}" --out "$out/demo-replay.db"

for run in live replay; do
  ttscale bench report "$out/demo-$run.db" --html "$out/demo-$run.html" > "$out/demo-$run.txt"
done
echo
echo "Plots to hover over: $out/demo-live.html and $out/demo-replay.html"
