"""Models that are offered although there are no such files, so that the templates people start from run.

Only where there is no such folder below ``models``: else the list is what is in it, as in ComfyUI.
"""

from __future__ import annotations

__all__ = ["PLACEHOLDER_MODELS"]

# The first of each folder is what a client takes that takes any.
_NAMES = {
    "checkpoints": """
        comfywire-placeholder.safetensors v1-5-pruned-emaonly-fp16.safetensors v1-5-pruned-emaonly.safetensors
        v1-5-pruned-emaonly.ckpt 512-inpainting-ema.safetensors v2-1_768-ema-pruned.safetensors
        v2-1_768-ema-pruned.ckpt sd21-unclip-h.ckpt sd_xl_base_1.0.safetensors sd_xl_refiner_1.0.safetensors
        sd_xl_turbo_1.0_fp16.safetensors sd3_medium_incl_clips_t5xxlfp8.safetensors
        sd3.5_large_fp8_scaled.safetensors flux1-dev-fp8.safetensors flux1-schnell-fp8.safetensors
        DreamShaper_8_pruned.safetensors dreamshaper_8.safetensors hunyuan_dit_1.2.safetensors
        Anything-V3.0.ckpt AbyssOrangeMix2_hard.safetensors NetaYumev35_pretrained_all_in_one.safetensors
        cosxl_edit.safetensors stable-audio-open-1.0.safetensors ace_step_v1_3.5b.safetensors
    """,
    "diffusion_models": """
        comfywire-placeholder.safetensors flux1-dev.safetensors flux1-schnell.safetensors
        flux1-fill-dev.safetensors flux1-kontext-dev.safetensors flux1-dev-kontext_fp8_scaled.safetensors
        flux1-krea-dev_fp8_scaled.safetensors qwen_image_fp8_e4m3fn.safetensors
        qwen_image_edit_fp8_e4m3fn.safetensors qwen_image_edit_2509_fp8_e4m3fn.safetensors
        z_image_turbo_bf16.safetensors z_image_bf16.safetensors hidream_i1_full_fp8.safetensors
        hidream_i1_dev_bf16.safetensors hidream_i1_fast_fp8.safetensors omnigen2_fp16.safetensors
        hunyuan_video_t2v_720p_bf16.safetensors wan2.1_t2v_1.3B_fp16.safetensors
        wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors
        qwen_image_2512_fp8_e4m3fn.safetensors qwen_image_edit_2511_bf16.safetensors
        qwen_image_edit_2511_fp8mixed.safetensors ovis_image_bf16.safetensors
        NewBie-Image-Exp0.1-bf16.safetensors kandinsky5lite_t2i.safetensors cosmos_predict2_2B_t2i.safetensors
        anima-base-v1.0.safetensors longcat_image_edit_bf16.safetensors
        flux1-dev-fp8.safetensors flux2_dev_fp8mixed.safetensors flux-2-klein-base-9b-fp8.safetensors
        flux-2-klein-base-4b-fp8.safetensors flux-2-klein-4b-fp8.safetensors longcat_image_bf16.safetensors
        hidream_e1_1_bf16.safetensors lotus-depth-d-v1-1.safetensors
    """,
    "text_encoders": """
        comfywire-placeholder.safetensors clip_l.safetensors clip_g.safetensors t5xxl_fp16.safetensors
        t5xxl_fp8_e4m3fn.safetensors t5xxl_fp8_e4m3fn_scaled.safetensors clip_l_hidream.safetensors
        clip_g_hidream.safetensors llama_3.1_8b_instruct_fp8_scaled.safetensors
        llava_llama3_fp8_scaled.safetensors qwen_2.5_vl_7b_fp8_scaled.safetensors
        qwen_2.5_vl_fp16.safetensors qwen_3_4b.safetensors ovis_2.5.safetensors t5-base.safetensors
        gemma_3_4b_it_bf16.safetensors jina_clip_v2_bf16.safetensors oldt5_xxl_fp8_e4m3fn_scaled.safetensors
        qwen_3_06b_base.safetensors umt5_xxl_fp8_e4m3fn_scaled.safetensors
    """,
    "vae": """
        comfywire-placeholder.safetensors ae.safetensors vae-ft-mse-840000-ema-pruned.safetensors
        qwen_image_vae.safetensors wan_2.1_vae.safetensors hunyuan_video_vae_bf16.safetensors
        sdxl_vae.safetensors
    """,
    "loras": """
        comfywire-placeholder.safetensors lcm_lora_sdxl.safetensors MoXinV1.safetensors
        flux1-depth-dev-lora.safetensors
        blindbox_v1_mix.safetensors Qwen-Image-Lightning-4steps-V1.0.safetensors
        Qwen-Image-Lightning-8steps-V1.0.safetensors
        Qwen-Image-Edit-2509-Lightning-4steps-V1.0-bf16.safetensors
        Qwen-Image-Edit-2509-Relight.safetensors Qwen-Image-Edit-2509-Light-Migration.safetensors
        Qwen-Image-Edit-2509-Lightning-8steps-V1.0-bf16.safetensors
        Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors
        Qwen-Image-Edit-Lightning-4steps-V1.0-bf16.safetensors
        Qwen-Image-2512-Lightning-4steps-V1.0-fp32.safetensors illustration-1.0-qwen-image.safetensors
        gummycandy_qwen.safetensors wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise.safetensors
        wan2.2_t2v_lightx2v_4steps_lora_v1.1_low_noise.safetensors
    """,
    "controlnet": """
        comfywire-placeholder.safetensors control_v11p_sd15_openpose_fp16.safetensors
        control_v11f1p_sd15_depth_fp16.safetensors control_v11p_sd15_scribble_fp16.safetensors
        control_v11p_sd15_canny_fp16.safetensors sd3.5_large_controlnet_depth.safetensors
        t2iadapter_depth_sd14v1.pth
        Qwen-Image-InstantX-ControlNet-Union.safetensors control_scribble.safetensors
    """,
    "upscale_models": """
        comfywire-placeholder-x4.safetensors RealESRGAN_x4plus.safetensors RealESRGAN_x4plus.pth
        4x-UltraSharp.pth 4x-ESRGAN.pth 2x-ESRGAN.pth
    """,
    "clip_vision": """
        comfywire-placeholder.safetensors sigclip_vision_patch14_384.safetensors clip_vision_g.safetensors
    """,
    "style_models": "comfywire-placeholder.safetensors flux1-redux-dev.safetensors",
    "gligen": "comfywire-placeholder.safetensors gligen_sd14_textbox_pruned.safetensors",
    "hypernetworks": "comfywire-placeholder.pt",
}
PLACEHOLDER_MODELS = {folder: names.split() for folder, names in _NAMES.items()}
"""Names by folder."""
