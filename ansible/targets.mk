# Provisioning a trust's host; included by the Makefile at the root, and usable from there only.
DEPLOY_VENV ?= .venv-deploy
DEPLOY_INSTALLED := $(DEPLOY_VENV)/.installed
# Paths are seen from the folder that make was called in, which deploy/providers/AWS/Makefile names.
CALLED_FROM ?= $(CURDIR)
PROVISION = cd "$(CALLED_FROM)" && PYTHONPATH="$(CURDIR)/scripts" "$(abspath $(DEPLOY_VENV))/bin/python" -m provision

# Given on make's command line or in the environment, they reach the scripts either way. So does NODE_IMAGE, which is not
# among them: the Makefile's default for it is what `make image` builds, and no wish about a host.
export PROD KIT KIT_FILE LOCAL_TRUST_IP LOCAL_TRUST_SSH_KEY LOCAL_TRUST_USER LOCAL_TRUST_HOST LOCAL_TRUST_INVENTORY \
    FLIP_DIR FL_BACKEND FL_KIT_SLOT FL_KIT_SLOT_NUMBER FLARE_KIT_DATE FLOWER_KIT_DATE AICENTRE_BUCKET_NAME FL_SERVER_PORT \
    HUB_TERRAFORM_DIR HUB_TERRAFORM_TARGET FL_NLB_SECURITY_GROUP_ID HUB_DIR HUB_DEPLOY_TARGET HUB_REDEPLOY_TARGET \
    FLIP_API_SECRET_NAME TRUST_NAME CENTRAL_HUB_API_URL PUBLIC_IP_URL NODE_IMAGE_ARCHIVE IMAGE_ARCHIVES ANSIBLE_ARGS

.PHONY: add-local-trust plan-local-trust allow-local-trust full-deploy-hybrid lock-deploy

$(DEPLOY_INSTALLED): ansible/requirements.lock scripts/find-python
	@echo "Installing Ansible into $(DEPLOY_VENV) …"
	@python="$$(scripts/find-python)" && "$$python" -m venv --clear $(DEPLOY_VENV)
	@$(DEPLOY_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r ansible/requirements.lock
	@touch $(DEPLOY_INSTALLED)

add-local-trust: $(DEPLOY_INSTALLED) ## Provision a host: LOCAL_TRUST_IP=<ip> [LOCAL_TRUST_SSH_KEY=<key>]
	@$(PROVISION) add

plan-local-trust: $(DEPLOY_INSTALLED) ## Show what allow-local-trust would change: LOCAL_TRUST_IP=<ip>
	@$(PROVISION) plan

allow-local-trust: $(DEPLOY_INSTALLED) ## Let a trust's new address in at the FL server: LOCAL_TRUST_IP=<ip>
	@$(PROVISION) allow

full-deploy-hybrid: $(DEPLOY_INSTALLED) install ## Deploy hub and trust: PROD=<stag|true> HUB_DIR=<folder>
	@$(PROVISION) hybrid

lock-deploy: ## Renew the pinned requirements of provisioning (needs uv)
	uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header ansible/requirements.in -o ansible/requirements.lock
	uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header ansible/requirements-test.in -o ansible/requirements-test.lock
