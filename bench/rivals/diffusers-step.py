"""Steps of one kind on one model with diffusers, and PEFT's LoKr: the same request and result as ../full-size/step.ts.

Versions: test/fixtures/requirements.txt. Run by `npm run bench:full-size -- --python PATH`.
"""
import json
import sys
import time

request = json.loads(sys.argv[1])
began = time.perf_counter()

import torch  # noqa: E402
from diffusers import UNet2DConditionModel  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

torch.set_num_threads(request["threads"])
dtype = getattr(torch, request["dtype"])
given = {name: value.to(dtype) for name, value in load_file(request["inputs"]).items()}
began = time.perf_counter()
unet = UNet2DConditionModel.from_pretrained(request["model"], subfolder="unet", torch_dtype=dtype)
unet.requires_grad_(False)


def conditions(rows: int) -> dict:
    added = None
    if "text_embeds" in given:
        added = {"text_embeds": given["text_embeds"][:rows], "time_ids": given["time_ids"][:rows]}
    return {
        "timestep": given["timesteps"][:rows],
        "encoder_hidden_states": given["encoder_hidden_states"][:rows],
        "added_cond_kwargs": added,
    }


def sampling():
    unet.eval()

    @torch.inference_mode()
    def step() -> torch.Tensor:
        return unet(given["latents"], **conditions(2)).sample

    return step


def training():
    from peft import LoKrConfig

    # A [16, 16] and B full on every projection: as many numbers as (4, 64) has, which PEFT cannot express.
    unet.add_adapter(
        LoKrConfig(r=100_000, decompose_factor=16, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    )
    unet.train()
    unet.enable_gradient_checkpointing()
    trained = [p for p in unet.parameters() if p.requires_grad]
    print(f"{sum(p.numel() for p in trained)} trained numbers", file=sys.stderr)
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    noisy = given["clean_latents"] * given["signal"] + given["noise"] * given["sigma"]

    def step() -> torch.Tensor:
        prediction = unet(noisy, **conditions(1)).sample
        loss = torch.nn.functional.mse_loss(prediction, given["noise"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach().reshape(1)

    return step


step = sampling() if request["kind"] == "sampling" else training()
opened = time.perf_counter() - began
seconds = []
processor = []
for i in range(request["repeats"] + 1):
    start, used = time.perf_counter(), time.process_time()
    result = step()
    seconds.append(time.perf_counter() - start)
    processor.append(time.process_time() - used)
    if i == 0:
        save_file({"result": result.float().contiguous()}, request["output"])

with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
measured = {"opened": opened, "first": seconds[0], "seconds": seconds[1:], "processor": processor[1:], "peak": peak}
print(json.dumps(measured))
