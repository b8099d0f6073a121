"""A step of SDXL with diffusers, and PEFT's LoKr, on random weights: rival-sampling, rival-training or rival-decoding.

run.ts starts it with a request as JSON: phase, device, side and the configs of UNet and VAE. The last line that it prints
is the result as JSON.
"""
import json
import sys
import time

request = json.loads(sys.argv[1])
try:
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
except ImportError as error:
    print(json.dumps({"error": f"Python lacks {error.name}"}))
    sys.exit()

device = torch.device(request["device"])
on_card = device.type == "cuda"
half = torch.float16 if on_card else torch.float32
side = request["side"]


def random_model(kind, config, dtype):
    """A model made where it is needed: 2.6 thousand million numbers take minutes on the processor."""
    torch.set_default_dtype(dtype)
    with device:
        model = kind.from_config({key: value for key, value in config.items() if not key.startswith("_")})
    torch.set_default_dtype(torch.float32)
    return model.requires_grad_(False)


def unet_inputs(rows, latent_side):
    config = request["unet"]
    channels, width = config["in_channels"], config["cross_attention_dim"]
    pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
    sample = torch.randn(rows, channels, latent_side, latent_side, device=device, dtype=half)
    return sample, {
        "timestep": torch.tensor(500, device=device),
        "encoder_hidden_states": torch.randn(rows, 77, width, device=device, dtype=half),
        "added_cond_kwargs": {
            "text_embeds": torch.randn(rows, pooled, device=device, dtype=half),
            "time_ids": torch.full((rows, 6), float(side), device=device, dtype=half),
        },
    }


def scale():
    return 2 ** (len(request["vae"]["block_out_channels"]) - 1)


def sampling():
    unet = random_model(UNet2DConditionModel, request["unet"], half).eval()
    sample, conditions = unet_inputs(2, side // scale())

    @torch.inference_mode()
    def step():
        return unet(sample, **conditions).sample

    return step, 7


def training():
    from peft import LoKrConfig

    unet = random_model(UNet2DConditionModel, request["unet"], half)
    # A [16, 16] and B full on every projection: as many numbers as (4, 64) has, which PEFT can't express.
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    unet.add_adapter(LoKrConfig(r=100_000, decompose_factor=16, target_modules=targets))
    unet.train()
    unet.enable_gradient_checkpointing()
    trained = [p for p in unet.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.data = parameter.data.float()
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    scaler = torch.amp.GradScaler(device.type, enabled=on_card)
    sample, conditions = unet_inputs(1, side // scale())
    noise = torch.randn_like(sample)

    def step():
        with torch.autocast(device.type, dtype=torch.float16, enabled=on_card):
            prediction = unet(0.7 * sample + 0.7 * noise, **conditions).sample
        scaler.scale(torch.nn.functional.mse_loss(prediction.float(), noise.float())).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    return step, 5


def decoding():
    vae = random_model(AutoencoderKL, request["vae"], torch.float32).eval()
    channels = request["vae"]["latent_channels"]
    latents = torch.randn(1, channels, side // scale(), side // scale(), device=device)

    @torch.inference_mode()
    def step():
        return vae.decode(latents).sample

    return step, 3


def synchronize():
    if on_card:
        torch.cuda.synchronize()


torch.manual_seed(0)
began = time.perf_counter()
try:
    step, count = {"rival-sampling": sampling, "rival-training": training, "rival-decoding": decoding}[request["phase"]]()
    synchronize()
    opened = time.perf_counter() - began
    runs = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        synchronize()
        runs.append(time.perf_counter() - start)
    result = {"open": opened, "runs": runs, "torch": torch.__version__}
    if on_card:
        result["peakMib"] = torch.cuda.max_memory_allocated() // 2**20
except (ImportError, RuntimeError) as error:
    result = {"error": f"{type(error).__name__}: {error}"[:1000]}
print(json.dumps(result))
